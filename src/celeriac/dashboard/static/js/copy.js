// @ts-check
// A button beside what people copy: commands, ids, errors.

/** Put the buttons there. */
export function copies() {
  const words = (document.body.dataset.copy ?? "Copy|Copied").split("|");
  for (const place of document.querySelectorAll(".copyable")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.dataset.js = "copy";
    button.textContent = words[0] ?? "";
    button.addEventListener("click", () => {
      void copy(place).then((done) => { button.textContent = words[done ? 1 : 0] ?? ""; });
    });
    place.after(button);
  }
}

/** Copy, or select it for people to copy where the browser does not allow it (plain HTTP). @param {Element} place */
async function copy(place) {
  try {
    await navigator.clipboard.writeText(place.textContent ?? "");
    return true;
  } catch {
    getSelection()?.selectAllChildren(place);
    return false;
  }
}
