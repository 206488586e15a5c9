// @ts-check
// Follows the page's changes: by a stream, or by asking every three seconds where that is not to be had.
// A hidden tab holds no connection; a paused page makes no request at all.

import { apply, merged } from "./patch.js";
import { refresh } from "./times.js";

const POLL = 3_000;
const HIDDEN = 10_000;
const RETRY = 2_000;

/** @typedef {{toggle: () => void}} Following */

/** @returns {Following} */
export function live() {
  const mode = document.body.dataset.liveMode ?? "off";
  const shown = document.getElementById("livestate");
  if (shown === null || mode === "off" || document.querySelector("[data-live]") === null) {
    return { toggle() {} };
  }
  const follower = new Follower(mode, shown);
  follower.start();
  return follower;
}

class Follower {
  /** @param {string} mode @param {HTMLElement} shown */
  constructor(mode, shown) {
    this.mode = mode;
    this.shown = shown;
    this.words = (shown.dataset.words ?? "|||").split("|");
    this.root = document.body.dataset.root ?? "";
    this.view = document.body.dataset.view ?? "/";
    this.seen = "";
    this.paused = false;
    this.failures = 0;
    /** @type {import("./patch.js").Changes} */
    this.waiting = {};
    this.isDrawn = true;
    /** @type {EventSource | undefined} */
    this.source = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.hiding = undefined;
  }

  start() {
    const button = this.shown.querySelector("button");
    button?.addEventListener("click", () => this.toggle());
    document.addEventListener("visibilitychange", () => this.seeVisibility());
    document.addEventListener("focusout", () => this.draw());
    document.addEventListener("pointerout", () => this.draw());
    window.addEventListener("pagehide", () => this.stop());
    window.addEventListener("pageshow", (event) => { if (event.persisted && !this.paused) this.open(); });
    this.shown.hidden = false;
    if (document.hidden) this.say("paused");
    else this.open();
  }

  toggle() {
    this.paused = !this.paused;
    this.shown.querySelector("button")?.setAttribute("aria-pressed", String(this.paused));
    if (this.paused) {
      this.stop();
      this.say("paused");
    } else {
      this.open();
    }
  }

  seeVisibility() {
    clearTimeout(this.hiding);
    if (document.hidden) this.hiding = setTimeout(() => this.stop(), HIDDEN);
    else if (!this.paused && this.source === undefined && this.timer === undefined) this.open();
  }

  stop() {
    this.source?.close();
    this.source = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  open() {
    this.stop();
    if (this.mode === "stream") this.stream();
    else this.poll();
  }

  /** @param {string} path */
  address(path) {
    const query = new URLSearchParams({ view: this.view, since: this.seen });
    return `${this.root}${path}?${query}`;
  }

  stream() {
    const source = this.source = new EventSource(this.address("/live"));
    for (const kind of ["patch", "reset", "trouble", "gone"]) {
      source.addEventListener(kind, (event) => {
        this.failures = 0;
        if (event.lastEventId) this.seen = event.lastEventId;
        this.hear(kind, JSON.parse(event.data));
      });
    }
    source.addEventListener("open", () => this.say("live"));
    source.addEventListener("bye", () => this.again());
    source.addEventListener("error", () => this.again());
  }

  again() {
    this.source?.close();
    this.source = undefined;
    this.failures += 1;
    this.say("lost");
    clearTimeout(this.timer);
    const wait = Math.min(RETRY * this.failures, 15_000) * (0.5 + Math.random());
    this.timer = setTimeout(() => (this.failures > 2 ? this.poll() : this.open()), wait);
  }

  async poll() {
    this.timer = setTimeout(() => this.poll(), POLL);
    const mine = this.timer;
    try {
      const answer = await fetch(this.address("/changes"), { headers: { accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const told = await answer.json();
      if (this.timer !== mine) return;
      this.seen = told.id;
      if (told.kind !== "trouble") this.say("live");
      this.hear(told.kind, told);
      if (this.mode === "stream" && this.failures > 0) {
        this.failures = 0;
        this.open();
      }
    } catch {
      if (this.timer === mine) this.say("lost");
    }
  }

  /** @param {string} kind @param {any} told */
  hear(kind, told) {
    if (kind === "gone") {
      this.stop();
      location.reload();
    } else if (kind === "trouble") {
      this.say("trouble");
    } else if (kind === "patch" || kind === "reset") {
      this.say("live");
      this.waiting = kind === "reset" ? told.regions : merged(this.waiting, told.regions);
      this.draw();
    }
  }

  draw() {
    if (!this.isDrawn || Object.keys(this.waiting).length === 0) return;
    this.isDrawn = false;
    requestAnimationFrame(() => {
      this.isDrawn = true;
      this.waiting = apply(this.waiting);
      refresh();
      document.dispatchEvent(new CustomEvent("celeriac:changed"));
    });
  }

  /** @param {"live" | "paused" | "lost" | "trouble"} state */
  say(state) {
    if (this.shown.dataset.state === state) return;
    this.shown.dataset.state = state;
    const word = this.shown.querySelector(".word");
    if (word) word.textContent = this.words[["live", "paused", "lost", "trouble"].indexOf(state)] ?? "";
  }
}
