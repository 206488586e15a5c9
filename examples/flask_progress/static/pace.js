// How fast a task goes, how long it has left, whether it has fallen silent. Numbers only: no page, no clock.

const HALF_LIFE = 10; // seconds after which a step counts half in the rate
const ENOUGH_STEPS = 3;
const ENOUGH_SECONDS = 1;
const CALM = 2; // seconds in which the answer comes half the way to what the rate says
const PATIENCE = 10; // seconds of silence that are nobody's business

export class Pace {
  #last = null; // the latest step: {current, at}
  #news = null; // when anything was reported
  #gap = 0; // the usual time between reports
  #steps = 0;
  #done = 0; // progress and seconds, both fading, so that done / spent is the recent rate
  #spent = 0;
  #shown = null; // what was last answered: {seconds, at}

  /** Take note of a report at *now* (seconds, from any clock that only goes forward). */
  report(current, now) {
    if (this.#news !== null) this.#gap = this.#gap ? 0.7 * this.#gap + 0.3 * (now - this.#news) : now - this.#news;
    this.#news = now;
    if (this.#last === null || current < this.#last.current) this.#restart(current, now);
    else if (current > this.#last.current) this.#step(current, now);
  }

  #restart(current, now) {
    this.#last = { current, at: now };
    this.#steps = this.#done = this.#spent = this.#gap = 0;
    this.#shown = null;
  }

  #step(current, now) {
    const seconds = now - this.#last.at;
    const fade = 0.5 ** (seconds / HALF_LIFE);
    this.#done = this.#done * fade + current - this.#last.current;
    this.#spent = this.#spent * fade + seconds;
    this.#steps += 1;
    this.#last = { current, at: now };
  }

  /** Seconds until *total*, or null while too little is known. It follows the rate gently, without jumps. */
  secondsLeft(total, now) {
    if (this.#steps < ENOUGH_STEPS || this.#spent < ENOUGH_SECONDS) return null;
    const raw = Math.max(0, (total - this.#last.current) * (this.#spent / this.#done) - (now - this.#last.at));
    const before = this.#shown ?? { seconds: raw, at: now };
    const expected = Math.max(0, before.seconds - (now - before.at));
    const trust = 1 - 0.5 ** ((now - before.at) / CALM);
    this.#shown = { seconds: expected + trust * (raw - expected), at: now };
    return this.#shown.seconds;
  }

  /** Seconds of silence when it is longer than this task's habit explains, else 0. */
  silence(now) {
    const quiet = this.#news === null ? 0 : now - this.#news;
    return quiet > Math.max(PATIENCE, 5 * this.#gap) ? quiet : 0;
  }
}

/** Say a time span as people do: "a moment", "25 seconds", "2 minutes", "1 hour 20 minutes". */
export function inWords(seconds) {
  if (seconds < 3) return "a moment";
  if (seconds < 10) return `${Math.round(seconds)} seconds`;
  if (seconds < 55) return `${Math.round(seconds / 5) * 5} seconds`;
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 60) return plural(minutes, "minute");
  const coarse = minutes < 600 ? Math.round(minutes / 5) * 5 : Math.round(minutes / 60) * 60;
  const hours = plural(Math.floor(coarse / 60), "hour");
  return coarse % 60 ? `${hours} ${plural(coarse % 60, "minute")}` : hours;
}

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
