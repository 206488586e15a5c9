// @ts-check
// <celeriac-progress token src label>; those of a page share one connection.

/** @typedef {{[part: string]: any, state: string, share: ?number, ready: boolean}} Facts */

const MOST = 50; // tasks on one connection
const SILENCE = 20_000; // the server ticks every 5 s
const REST = 10_000; // hidden for so long, a tab lets go
const POLL = 3_000;
const CALM = 5_000; // between words for screen readers
const PARTS = ["bar", "word", "amount", "note", "status", "outcome", "spoken"];

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { display: block; --celeriac-color: light-dark(#1c7547, #56c98a) }
:host([data-state=FAILURE]) { --celeriac-color: #c2362b }
:host([data-stalled]) { --celeriac-color: #c88a14 }
:host([hidden]), [hidden], span:empty { display: none }
progress { width: 100%; accent-color: var(--celeriac-color) }
span { margin-inline-end: .8em }
p { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; unicode-bidi: plaintext }
[part=spoken] { position: absolute; clip-path: inset(50%) }`);

/** A stream or, where none gets through, questions. */
class Feed {
  bars = /** @type {Map<Bar, string>} */ (new Map());
  source = /** @type {?EventSource} */ (null);
  timer = 0;
  round = 0; // late answers are of an old one
  polls = 0; // before a stream is tried again

  /** @param {string} src */
  constructor(src) {
    this.src = src;
    let rest = 0;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(rest);
      if (document.hidden) rest = setTimeout(() => this.stop(), REST);
      else this.source ?? this.start();
    });
  }

  stop() {
    this.round++;
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  start(pause = 0) {
    this.stop();
    if (this.bars.size && !document.hidden)
      this.timer = setTimeout(() => (this.polls > 0 ? this.poll() : this.listen()), pause);
  }

  /** @param {string} what */
  address(what) {
    return `${this.src}/${what}?token=${[...this.bars.values()].join("&token=")}`;
  }

  listen() {
    const bars = [...this.bars.keys()];
    const source = (this.source = new EventSource(this.address("events")));
    let heard = false;
    const failed = () => {
      this.polls = heard ? 1 : 10;
      this.start(heard ? 500 : 0);
    };
    const watch = () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(failed, SILENCE);
    };
    source.onmessage = ({ data }) => {
      heard = true;
      watch();
      const [number, facts] = JSON.parse(data);
      this.tell(bars[number], facts, "live");
    };
    source.addEventListener("tick", watch);
    source.onerror = failed;
    watch();
  }

  async poll() {
    const bars = [...this.bars.keys()];
    const round = this.round;
    let pause = POLL;
    const told = await fetch(this.address("state")).then((answer) => {
      pause = Number(answer.headers.get("Retry-After")) * 1000 || pause;
      return answer.ok || answer.status === 403 ? answer.json() : null;
    }).catch(() => null);
    if (round !== this.round) return;
    bars.forEach((bar, number) => (told ? this.tell(bar, told[number], "polling") : bar.lost()));
    this.start(told && !--this.polls ? 0 : pause);
  }

  /** @param {Bar} bar @param {Facts} facts @param {string} link */
  tell(bar, facts, link) {
    if (!this.bars.has(bar)) return;
    bar.dataset.link = link;
    if (facts.ready) this.bars.delete(bar);
    if (!this.bars.size) this.stop();
    bar.show(facts);
  }
}

const feeds = /** @type {Feed[]} */ ([]);

class Bar extends HTMLElement {
  static observedAttributes = ["token", "src"];
  feed = /** @type {Feed=} */ (undefined);
  root = this.attachShadow({ mode: "open" });
  bar = document.createElement("progress");
  known = "";
  timer = 0;

  constructor() {
    super();
    this.root.adoptedStyleSheets = [sheet];
    PARTS.forEach((name, number) => {
      const part = number ? document.createElement(number < 4 ? "span" : "p") : this.bar;
      part.setAttribute("part", name);
      this.root.append(part);
      if (number > 5) part.role = "status";
    });
  }

  attributeChangedCallback() {
    this.connectedCallback();
  }

  connectedCallback() {
    this.disconnectedCallback();
    const token = this.getAttribute("token");
    if (!token || !this.isConnected) return;
    const src = this.getAttribute("src") ?? "/progress";
    this.feed = feeds.find((feed) => feed.src === src && feed.bars.size < MOST);
    if (!this.feed) feeds.push((this.feed = new Feed(src)));
    this.feed.bars.set(this, token);
    this.feed.start();
  }

  disconnectedCallback() {
    this.feed?.bars.delete(this);
    this.feed?.start();
  }

  lost() {
    this.put("note", "Connection lost. Trying again.");
    this.dataset.link = "lost";
    this.dispatchEvent(new Event("celeriac-lost", { bubbles: true }));
  }

  /** @param {string} name @param {string} text */
  put(name, text) {
    const part = /** @type {Element} */ (this.root.querySelector(`[part=${name}]`));
    if (part.textContent !== text) part.textContent = text;
  }

  /** @param {Facts} facts */
  show(facts) {
    const { state, share, ready, stalled } = facts;
    this.dataset.state = state;
    this.toggleAttribute("data-stalled", !!stalled);
    PARTS.forEach((name) => name in facts && this.put(name, facts[name]));
    this.bar.hidden = share === null && (ready || (facts.current === null && facts.status));
    this.bar.value = share ?? 0;
    if (share === null && state !== "PENDING") this.bar.removeAttribute("value");
    const label = (this.bar.ariaLabel = this.getAttribute("label") ?? "Progress");
    const more = stalled ?? (ready || !share ? "" : Math.floor(share * 4) * 25 + " %");
    const said = `${label}: ${facts.word} ${more}`;
    if (this.known && this.known !== said)
      this.timer ||= setTimeout(() => (this.put("spoken", this.known), (this.timer = 0)), CALM);
    this.known = said;
    this.dispatchEvent(new CustomEvent(NAME, { detail: facts, bubbles: true }));
  }
}

const NAME = "celeriac-progress";
customElements.get(NAME) ?? customElements.define(NAME, Bar);
