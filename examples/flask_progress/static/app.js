// The page: starts tasks, and keeps the list of cards. Each card is told its own news by <celeriac-progress>.

import { Card, put, seconds } from "./card.js";
import { MOST_TASKS, recall, remember, whenChangedElsewhere } from "./memory.js";

const TICK = 500;
const SPEAK_EVERY = 2_000;
const NAME = document.title;

const list = document.getElementById("tasks");
const form = document.getElementById("start");
const connection = document.getElementById("connection");
const cards = new Map(); // id -> Card, oldest first

// --- news ---------------------------------------------------------------------------------------

const LINKS = {
  polling: "Live updates do not get through; asking every few seconds instead.",
  lost: "Connection lost. Trying again; your tasks go on meanwhile.",
};

/** *link* says how the news came: "live", "polling", or "lost" for that they do not come just now. */
function onNews(link) {
  const words = [...cards.values()].some((card) => card.live) ? (LINKS[link] ?? "") : "";
  put(connection, words);
  connection.hidden = !words;
  summarize();
}

setInterval(() => cards.forEach((card) => card.live && card.tick(seconds())), TICK);

// --- the list -----------------------------------------------------------------------------------

function add(tasks) {
  for (const task of [...tasks].reverse()) {
    if (cards.has(task.id)) continue;
    const card = new Card(task, { onNews, onCancel: cancel, onRemove: remove, onSay: say });
    cards.set(task.id, card);
    list.prepend(card.node);
  }
  summarize();
}

function drop(card) {
  cards.delete(card.id);
  card.node.remove(); // with it goes its element, and the last one's end closes the stream
}

function remove(card) {
  const next = card.node.nextElementSibling ?? card.node.previousElementSibling;
  drop(card);
  save();
  (next?.querySelector("button:not([hidden])") ?? document.getElementById("tasks-title")).focus();
}

function clearFinished() {
  [...cards.values()].filter((card) => !card.live).forEach(drop);
  save();
  document.getElementById("tasks-title").focus();
}

function save() {
  remember([...cards.values()].reverse());
  summarize();
}

function summarize() {
  const running = [...cards.values()].filter((card) => card.live).length;
  const finished = cards.size - running;
  const parts = [running && `${running} running`, finished && `${finished} finished`].filter(Boolean);
  put(document.getElementById("summary"), parts.join(", "));
  document.getElementById("clear").hidden = !finished;
  document.getElementById("empty").hidden = cards.size > 0;
  document.title = running ? `${running} running · ${NAME}` : NAME;
}

// --- what people do -----------------------------------------------------------------------------

async function start(event) {
  event.preventDefault();
  const kind = form.elements.kind.value;
  if (!makeRoom()) return refuse(`${MOST_TASKS} tasks are running already. Wait for one, or cancel one.`);
  const answer = await post(form.action, new URLSearchParams({ kind }));
  if (!answer.id) return refuse(answer.error);
  refuse("");
  add([{ id: answer.id, token: answer.token, title: nextTitle(kind) }]);
  save();
}

async function cancel(card) {
  card.cancelling(true);
  const answer = await post(`/cancel/${encodeURIComponent(card.id)}`);
  if (!answer.error) return;
  card.cancelling(false);
  refuse(answer.error);
}

/** The list has an end: the oldest finished task makes room. Say whether there is room. */
function makeRoom() {
  const finished = [...cards.values()].find((card) => !card.live);
  if (cards.size >= MOST_TASKS && finished) drop(finished);
  return cards.size < MOST_TASKS;
}

function nextTitle(kind) {
  const numbers = [...cards.values()].map((card) => Number(/\d+$/.exec(card.title)) || 0);
  const { title } = form.querySelector(`[value="${CSS.escape(kind)}"]`).dataset;
  return `${title} task ${Math.max(0, ...numbers) + 1}`;
}

async function post(url, body) {
  try {
    const answer = await fetch(url, { method: "POST", body });
    return await answer.json();
  } catch {
    return { error: "The server does not answer. Try again in a moment." };
  }
}

function refuse(reason) {
  put(document.getElementById("refusal"), reason);
}

// --- for screen readers -------------------------------------------------------------------------

let unsaid = [];

/** Several sentences that come at once are spoken as one, and never more often than every two seconds. */
function say(sentence) {
  unsaid.push(sentence);
  if (unsaid.length === 1) setTimeout(speak, SPEAK_EVERY);
}

function speak() {
  document.getElementById("spoken").textContent = unsaid.join(". ");
  unsaid = [];
}

// --- begin --------------------------------------------------------------------------------------

form.addEventListener("submit", start);
document.getElementById("clear").addEventListener("click", clearFinished);
whenChangedElsewhere(() => add(recall()));
add(recall());
