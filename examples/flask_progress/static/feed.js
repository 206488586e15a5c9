// News of tasks: one event stream for all of them. When it breaks it is opened again; where streams do not
// get through (some proxies hold them back) it asks /status instead.

const SILENCE = 20_000; // the server sends a heartbeat every 5 s; a stream silent for longer is dead
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5_000;
const POLL_PAUSE = 1_500;
const STREAMS_BEFORE_POLLING = 3;
const POLLS_BEFORE_STREAM = 10;

export class Feed {
  #followed = new Set();
  #source = null;
  #timer = 0;
  #watchdog = 0;
  #failures = 0;
  #round = 0; // rises whenever the way of asking changes: late answers of an older round are ignored

  /** *onNews* gets each task's facts; *onConnection* gets "live", "polling", "lost" or "idle". */
  constructor({ onNews, onConnection }) {
    this.onNews = onNews;
    this.onConnection = onConnection;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#stop() : this.#start()));
  }

  follow(ids) {
    ids.forEach((id) => this.#followed.add(id));
    this.#start();
  }

  /** Stop following one task; the last one's end closes the stream. */
  unfollow(id) {
    this.#followed.delete(id);
    if (this.#followed.size) return;
    this.#stop();
    this.#failures = 0;
    this.onConnection("idle");
  }

  #start() {
    this.#stop();
    if (!this.#followed.size || document.hidden) return;
    if (this.#failures < STREAMS_BEFORE_POLLING) this.#listen();
    else this.#poll(POLLS_BEFORE_STREAM);
  }

  #stop() {
    this.#round += 1;
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    this.#source?.close();
    this.#source = null;
  }

  #listen() {
    this.#source = new EventSource(`/events?ids=${[...this.#followed].map(encodeURIComponent)}`);
    this.#source.addEventListener("update", (event) => {
      this.#heard();
      this.onNews(JSON.parse(event.data));
    });
    this.#source.addEventListener("tick", () => this.#heard());
    this.#source.addEventListener("away", () => this.#failed());
    this.#source.addEventListener("error", () => this.#failed());
    this.#watch();
  }

  #heard() {
    this.#failures = 0;
    this.onConnection("live");
    this.#watch();
  }

  #watch() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#failed(), SILENCE);
  }

  #failed() {
    this.#stop();
    this.#failures += 1;
    if (this.#failures > 1) this.onConnection("lost");
    const pause = Math.min(FIRST_PAUSE * 2 ** (this.#failures - 1), LONGEST_PAUSE);
    this.#timer = setTimeout(() => this.#start(), pause);
  }

  async #poll(rounds) {
    const round = this.#round;
    const answers = await Promise.all([...this.#followed].map(ask));
    if (round !== this.#round) return;
    const facts = answers.filter(Boolean);
    facts.forEach((fact) => this.onNews(fact));
    if (facts.length) this.onConnection("polling");
    if (round !== this.#round) return;
    if (!facts.length) this.#failed();
    else if (rounds > 0) this.#timer = setTimeout(() => this.#poll(rounds - 1), POLL_PAUSE);
    else this.#listenAgain();
  }

  #listenAgain() {
    this.#failures = STREAMS_BEFORE_POLLING - 1;
    this.#start();
  }
}

/** Return the facts of one task, or null when nobody answers. */
async function ask(id) {
  try {
    const answer = await fetch(`/status/${encodeURIComponent(id)}`);
    return answer.ok || answer.status === 404 ? await answer.json() : null;
  } catch {
    return null;
  }
}
