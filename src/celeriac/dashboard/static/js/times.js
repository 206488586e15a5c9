// @ts-check
// Times as people say them: "3 min. ago", in the reader's own zone when the pointer rests on one.

const STEPS = /** @type {[number, Intl.RelativeTimeFormatUnit][]} */ ([
  [86_400, "day"], [3_600, "hour"], [60, "minute"], [1, "second"],
]);

/** @param {string} language */
function formatter(language) {
  const options = /** @type {Intl.RelativeTimeFormatOptions} */ ({ style: "short", numeric: "always" });
  try {
    return new Intl.RelativeTimeFormat(language, options);
  } catch {
    return new Intl.RelativeTimeFormat("en", options);
  }
}

const relative = formatter(document.documentElement.lang || "en");
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** @param {number} seconds */
export function said(seconds) {
  for (const [size, unit] of STEPS) {
    if (Math.abs(seconds) >= size || size === 1) return relative.format(Math.trunc(seconds / size), unit);
  }
  return "";
}

/** Write all times anew. */
export function refresh() {
  const now = Date.now();
  for (const each of document.querySelectorAll("time[datetime]")) {
    const moment = Date.parse(each.getAttribute("datetime") ?? "");
    if (Number.isNaN(moment)) continue;
    const text = said((moment - now) / 1_000);
    if (each.textContent !== text) each.textContent = text;
    const title = `${absolute.format(moment)} · ${new Date(moment).toISOString()}`;
    if (each.getAttribute("title") !== title) each.setAttribute("title", title);
  }
}

/** Keep them right. */
export function times() {
  refresh();
  setInterval(() => { if (!document.hidden) refresh(); }, 1_000);
}
