// @ts-check
// Single keys, which can be switched off: / ? p t j k x Enter, g with the letter of a page, and capital
// letters for what is dangerous: C R D, which ask before anything is done.

const OFF = "celeriac.keys.off";
const AFTER_G = 1_500;

/** @param {EventTarget | null} target */
function isWriting(target) {
  return target instanceof HTMLElement
    && (target.isContentEditable || target.matches("input:not([type=checkbox]), textarea, select"));
}

/**
 * @param {{toggle: () => void}} following @param {{next: () => void}} look
 * @param {import("./picks.js").Picks} picks
 */
export function keys(following, look, picks) {
  const help = document.getElementById("help");
  const off = document.getElementById("keys-off");
  if (!(help instanceof HTMLDialogElement) || !(off instanceof HTMLInputElement)) return;
  off.checked = localStorage.getItem(OFF) === "yes";
  off.addEventListener("change", () => localStorage.setItem(OFF, off.checked ? "yes" : "no"));
  let going = 0;
  /** @type {Record<string, () => void>} */
  const actions = {
    "?": () => help.showModal(),
    "/": () => focusOn("[data-filter]"),
    g: () => { going = Date.now(); },
    p: () => following.toggle(),
    t: () => look.next(),
    j: () => choose(1),
    k: () => choose(-1),
    Enter: () => chosen()?.querySelector("a")?.click(),
    x: () => picks.pick(chosen()),
    C: () => picks.act("revoke", chosen()),
    R: () => picks.act("retry", chosen()),
    D: () => picks.act("delete", chosen()),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target) || help.open) return;
    if (off.checked && event.key !== "?") return;
    if (Date.now() - going < AFTER_G) {
      going = 0;
      const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
      if (link instanceof HTMLElement) {
        event.preventDefault();
        link.click();
      }
      return;
    }
    const isOnControl = event.target instanceof Element && event.target.closest("a, button, summary") !== null;
    const action = actions[event.key];
    if (action === undefined || (event.key === "Enter" && (isOnControl || chosen() === null))) return;
    event.preventDefault();
    action();
  });
}

/** @param {string} what */
function focusOn(what) {
  const found = document.querySelector(what);
  if (found instanceof HTMLElement) found.focus();
}

/** @returns {Element | null} */
const chosen = () => document.querySelector("main [data-js-chosen]");

/** Choose the next row, or the one before. @param {number} step */
function choose(step) {
  const rows = [...document.querySelectorAll("main tbody tr, main .rows > li")];
  if (rows.length === 0) return;
  const now = rows.findIndex((row) => row.hasAttribute("data-js-chosen"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, now === -1 ? 0 : now + step))];
  rows[now]?.removeAttribute("data-js-chosen");
  next?.setAttribute("data-js-chosen", "");
  next?.scrollIntoView({ block: "nearest" });
}
