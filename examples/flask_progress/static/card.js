// One task on the page: its bar, words, and buttons. Whatever a task says is shown as text, never as HTML.

import { Pace, inWords } from "./pace.js";

const WORDS = {
  waiting: "Waiting",
  running: "Running",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  unknown: "Unknown",
};
const STATES = {
  PENDING: "waiting",
  PROGRESS: "running",
  SUCCESS: "done",
  FAILURE: "failed",
  REVOKED: "cancelled",
  UNKNOWN: "unknown",
};
const OUTCOMES = { done: "Result:", failed: "Error:", unknown: "" };
const LONGEST_TEXT = 2_000;
const LONG_WAIT = 10;

const template = document.getElementById("card");

export class Card {
  #pace = new Pace();
  #percent = 0;
  #total = 1;
  #since = null; // when the state was entered
  #heard = ""; // the latest report: told again (after a reconnection, say) it is no news

  /** *onSay* gets the few sentences that a screen reader should speak. */
  constructor({ id, title }, { onCancel, onRemove, onSay }) {
    this.id = id;
    this.title = title;
    this.state = "";
    this.onSay = onSay;
    this.node = template.content.firstElementChild.cloneNode(true);
    this.node.dataset.id = id;
    this.#part("title").textContent = title;
    this.#part("track").setAttribute("aria-label", `Progress of ${title}`);
    this.#button("cancel", `Cancel ${title}`, () => onCancel(this));
    this.#button("remove", `Remove ${title}`, () => onRemove(this));
    this.show({ state: "PENDING", current: 0, total: 1, status: "" }, null);
  }

  get live() {
    return this.state === "waiting" || this.state === "running";
  }

  /** Show *facts* as the server sent them, at *now* (seconds; null for a guess before the first answer). */
  show(facts, now) {
    if (!this.live && this.state) return;
    this.#enter(STATES[facts.state] ?? "failed", now);
    this.#measure(facts, now);
    this.#part("status").textContent = shorten(facts.status);
    if (!this.live) this.#finish(facts);
    this.tick(now);
  }

  /** Renew what changes by itself: the time left, the warnings. */
  tick(now) {
    const left = this.state === "running" && now !== null ? this.#pace.secondsLeft(this.#total, now) : null;
    const warning = now === null ? "" : this.#warning(now);
    this.node.classList.toggle("stalled", this.state === "running" && warning !== "");
    put(this.#part("left"), left === null || warning ? "" : `about ${inWords(left)} left`);
    put(this.#part("warning"), warning);
    this.#part("warning").hidden = !warning;
    this.#describeBar();
  }

  /** Say that the wish was heard; the end comes as news. */
  cancelling(wanted) {
    const button = this.#part("cancel");
    button.textContent = wanted ? "Cancelling…" : "Cancel";
    button.setAttribute("aria-disabled", String(wanted));
  }

  #part(name) {
    return this.node.querySelector(`.${name}`);
  }

  #button(name, label, onClick) {
    const button = this.#part(name);
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => button.getAttribute("aria-disabled") !== "true" && onClick());
  }

  #enter(state, now) {
    if (state === this.state) {
      this.#since ??= now;
      return;
    }
    const known = this.#since !== null;
    this.state = this.node.dataset.state = state;
    this.#since = now;
    this.#part("badge").textContent = WORDS[state];
    if (state === "waiting") this.#pace = new Pace();
    if (known) this.onSay(`${this.title}: ${WORDS[state]}`);
  }

  #measure({ current, total, status }, now) {
    const before = this.#percent;
    this.#total = total;
    this.#percent = Math.max(0, Math.min(100, Math.floor((current * 100) / total) || 0));
    this.#part("fill").style.width = `${this.#percent}%`;
    put(this.#part("percent"), `${this.#percent}%`);
    const report = JSON.stringify([current, total, status]);
    if (this.state === "running" && report !== this.#heard) this.#pace.report(current, now);
    this.#heard = report;
    if (this.state === "running" && before > 0 && before < 50 && this.#percent >= 50) {
      this.onSay(`${this.title}: halfway`);
    }
  }

  #finish(facts) {
    const outcome = this.#part("outcome");
    const text = this.state === "done" ? facts.result : facts.error;
    if (this.state in OUTCOMES && text !== undefined && text !== null) {
      this.#part("outcome-name").textContent = OUTCOMES[this.state];
      this.#part("outcome-text").textContent = shorten(text);
      outcome.hidden = false;
    }
    if (this.state !== "done") this.#part("status").textContent = ""; // the badge and the outcome say it
    const focused = document.activeElement === this.#part("cancel");
    this.#part("cancel").hidden = true;
    this.#part("remove").hidden = false;
    if (focused) this.#part("remove").focus();
  }

  #warning(now) {
    const silence = this.#pace.silence(now);
    if (this.state === "running" && silence) return `No news for ${inWords(silence)}. It may be stuck, or its worker gone.`;
    const waited = this.#since === null ? 0 : now - this.#since;
    if (this.state === "waiting" && waited > LONG_WAIT) return "Nobody has taken it yet. Is a worker running?";
    return "";
  }

  #describeBar() {
    const track = this.#part("track");
    const left = this.#part("left").textContent;
    const said = [WORDS[this.state], `${this.#percent} percent`, left].filter(Boolean).join(", ");
    if (track.getAttribute("aria-valuetext") === said) return;
    track.setAttribute("aria-valuenow", String(this.#percent));
    track.setAttribute("aria-valuetext", said);
  }
}

/** Change an element's text only when it is another one: nothing is redrawn or read out for nothing. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function shorten(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 1) ?? "";
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}
