// @ts-check
// Tasks that are picked in a list, by x or the pointer, and what the capital letters do with them.
// Nothing is done here: the server is asked, which counts first, and asks whether that is meant.

/** @typedef {{pick: (row: Element | null) => void, act: (verb: string, row: Element | null) => void}} Picks */

/** @returns {Picks} */
export function picks() {
  const shown = document.getElementById("picked");
  const address = document.body.dataset.picked;
  if (shown === null || !address) return { pick() {}, act() {} };
  const words = (shown.dataset.words ?? "|").split("|");
  const show = () => {
    const count = boxes().filter((box) => box.checked).length;
    shown.hidden = count === 0;
    shown.textContent = count === 0 ? "" : (words[1] ?? "").replace("%n", String(count));
  };
  const put = () => {
    for (const row of document.querySelectorAll("main tr[data-task]")) {
      if (row.querySelector(".pick") === null) row.querySelector("th")?.prepend(made(words[0] ?? ""));
    }
    show();
  };
  put();
  document.addEventListener("celeriac:changed", put);
  document.addEventListener("change", show);
  return {
    pick(row) {
      const box = row?.querySelector(".pick");
      if (!(box instanceof HTMLInputElement)) return;
      box.checked = !box.checked;
      show();
    },
    act(verb, row) {
      const ids = meant(row);
      if (ids.length > 0) ask(address, { action: verb, id: ids.join(" ") });
    },
  };
}

/** @param {string} label */
function made(label) {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.className = "pick";
  box.dataset.js = "pick";
  box.setAttribute("aria-label", label);
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

/** Send a form as a button would. @param {string} address @param {Record<string, string>} fields */
function ask(address, fields) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = address;
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}
