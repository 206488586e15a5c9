// @ts-check
// Tasks that are picked in a list, by x or the pointer, and what is done with them: by the buttons that are
// shown then, or by capital letters. Nothing is done here: the server is asked, which counts first, and asks
// whether that is meant.

/** @typedef {{pick: (row: Element | null) => void, act: (verb: string, row: Element | null) => void}} Picks */

/** @returns {Picks} */
export function picks() {
  const form = document.getElementById("picked");
  const field = form?.querySelector("input");
  const actions = form?.querySelector(".actions");
  const said = form?.querySelector("[role=status]");
  if (!(form instanceof HTMLFormElement) || !field || !(actions instanceof HTMLElement) || !said) {
    return { pick() {}, act() {} };
  }
  const words = (form.dataset.words ?? "|").split("|");
  const show = () => {
    const count = boxes().filter((box) => box.checked).length;
    const text = count === 0 ? "" : (words[1] ?? "").replace("%n", String(count));
    actions.hidden = count === 0;
    if (said.textContent !== text) said.textContent = text;
  };
  const put = () => {
    for (const row of document.querySelectorAll("main tr[data-task]")) {
      if (row.querySelector(".pick") === null) row.querySelector("th")?.prepend(made(words[0] ?? "", row));
    }
    show();
  };
  put();
  document.addEventListener("celeriac:changed", put);
  document.addEventListener("change", show);
  window.addEventListener("pageshow", show); // a browser that goes back has ticked them again by itself
  /** @type {Element | null} */
  let chosen = null;
  form.addEventListener("submit", () => { field.value = meant(chosen).join(" "); });
  return {
    pick(row) {
      const box = row?.querySelector(".pick");
      if (!(box instanceof HTMLInputElement)) return;
      box.checked = !box.checked;
      show();
    },
    act(verb, row) {
      const button = form.querySelector(`button[value="${verb}"]`);
      if (!(button instanceof HTMLButtonElement) || meant(row).length === 0) return;
      chosen = row;
      form.requestSubmit(button);
      chosen = null;
    },
  };
}

/** @param {string} label @param {Element} row */
function made(label, row) {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.className = "pick";
  box.dataset.js = "pick";
  box.setAttribute("aria-label", label.replace("%n", () => row.querySelector("th")?.innerText.trim() ?? ""));
  return box;
}

/** @returns {HTMLInputElement[]} */
const boxes = () => [...document.querySelectorAll("main .pick")]
  .filter((each) => each instanceof HTMLInputElement);

/** The tasks that are meant: those picked, else the chosen row's, else the page's own. @param {Element | null} row */
function meant(row) {
  const picked = boxes().filter((box) => box.checked).map((box) => box.closest("[data-task]"));
  const one = row ?? document.querySelector("main .head [data-task]");
  const found = picked.length > 0 ? picked : [one];
  return found.map((each) => (each instanceof HTMLElement ? each.dataset.task : undefined)).filter(Boolean);
}
