// Which tasks this browser watches: ids, titles and tokens in localStorage, so that a reload brings the bars back.
// Their progress and results are not kept here; the server knows them.

const KEY = "flask-progress.tasks";
export const MOST_TASKS = 20;

/** Return what was remembered, newest first; nothing where storage is empty, broken or forbidden. */
export function recall() {
  try {
    const tasks = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(tasks) ? tasks.filter(isTask).slice(0, MOST_TASKS) : [];
  } catch {
    return [];
  }
}

export function remember(tasks) {
  try {
    localStorage.setItem(KEY, JSON.stringify(tasks.map(({ id, title, token }) => ({ id, title, token }))));
  } catch {
    // Without storage the page still works; only a reload forgets.
  }
}

/** Call *onChange* when another tab of this browser changed the list. */
export function whenChangedElsewhere(onChange) {
  window.addEventListener("storage", (event) => event.key === KEY && onChange());
}

function isTask(entry) {
  return [entry?.id, entry?.title, entry?.token].every((text) => typeof text === "string" && text !== "");
}
