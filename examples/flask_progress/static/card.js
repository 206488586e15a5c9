// One task on the page: its bar, words, and buttons. Whatever a task says is shown as text, never as HTML.
//
// The news come from a <celeriac-progress> in each card. It could show them itself; here it is hidden, and the card
// draws them in its own way from the element's events.

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
  REFUSED: "unknown",
};
const OUTCOMES = { done: "Result:", failed: "Error:", unknown: "" };
const LONG_WAIT = 10;

const template = document.getElementById("card");

export class Card {
  #percent = 0;
  #since = null; // when the state was entered
  #stalled = "";

  /** *onNews* hears how the news came, *onSay* the few sentences that a screen reader should speak. */
  constructor({ id, title, token }, { onNews, onCancel, onRemove, onSay }) {
    Object.assign(this, { id, title, token });
    this.state = "";
    this.onSay = onSay;
    this.node = template.content.firstElementChild.cloneNode(true);
    this.node.dataset.id = id;
    this.#part("title").textContent = title;
    this.#part("track").setAttribute("aria-label", `Progress of ${title}`);
    this.#button("cancel", `Cancel ${title}`, () => onCancel(this));
    this.#button("remove", `Remove ${title}`, () => onRemove(this));
    this.show({ state: "PENDING", share: null, status: "", note: "", outcome: "", stalled: null }, null);
    this.#follow(token, onNews);
  }

  get live() {
    return this.state === "waiting" || this.state === "running";
  }

  /** Show *facts* as the server sent them, at *now* (seconds; null for a guess before the first answer). */
  show(facts, now) {
    if (!this.live && this.state) return;
    this.#enter(STATES[facts.state] ?? "failed", now);
    this.#measure(facts);
    this.#stalled = facts.stalled ? facts.note : "";
    this.#part("status").textContent = facts.status || (this.state === "done" ? "Done" : "");
    put(this.#part("left"), this.state === "running" && !this.#stalled ? facts.note : "");
    if (!this.live) this.#finish(facts);
    this.tick(now);
  }

  /** Renew what changes by itself: the warnings. */
  tick(now) {
    const warning = this.live && now !== null ? this.#stalled || this.#impatience(now) : "";
    this.node.classList.toggle("stalled", this.state === "running" && warning !== "");
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

  #follow(token, onNews) {
    const element = document.createElement("celeriac-progress");
    element.hidden = true;
    element.addEventListener("celeriac-progress", ({ detail }) => {
      this.show(detail, seconds());
      onNews(element.dataset.link);
    });
    element.addEventListener("celeriac-lost", () => onNews("lost"));
    element.setAttribute("token", token);
    this.node.append(element);
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
    if (known) this.onSay(`${this.title}: ${WORDS[state]}`);
  }

  #measure({ share }) {
    const before = this.#percent;
    this.#percent = Math.floor((share ?? 0) * 100);
    this.#part("fill").style.width = `${this.#percent}%`;
    put(this.#part("percent"), `${this.#percent}%`);
    if (this.state === "running" && before > 0 && before < 50 && this.#percent >= 50) {
      this.onSay(`${this.title}: halfway`);
    }
  }

  #finish(facts) {
    const outcome = this.#part("outcome");
    const unknown = facts.state === "UNKNOWN" ? `No task has the id '${this.id}'.` : facts.word;
    const text = this.state === "unknown" ? unknown : facts.outcome;
    if (this.state in OUTCOMES && text) {
      this.#part("outcome-name").textContent = OUTCOMES[this.state];
      this.#part("outcome-text").textContent = text;
      outcome.hidden = false;
    }
    if (this.state !== "done") this.#part("status").textContent = ""; // the badge and the outcome say it
    if (this.state === "failed") this.#explain();
    const focused = document.activeElement === this.#part("cancel");
    this.#part("cancel").hidden = true;
    this.#part("remove").hidden = false;
    if (focused) this.#part("remove").focus();
  }

  /** Show the way to the task's page in the dashboard, if there is one. */
  #explain() {
    const { dashboard } = document.getElementById("tasks").dataset;
    if (!dashboard) return;
    const link = this.#part("why-link");
    link.href = `${dashboard}/tasks/${encodeURIComponent(this.id)}`;
    link.setAttribute("aria-label", `See in the dashboard where ${this.title} failed`);
    this.#part("why").hidden = false;
  }

  #impatience(now) {
    const waited = this.#since === null ? 0 : now - this.#since;
    return this.state === "waiting" && waited > LONG_WAIT ? "Nobody has taken it yet. Is a worker running?" : "";
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

/** The time, on a clock that only goes forward. */
export function seconds() {
  return performance.now() / 1000;
}
