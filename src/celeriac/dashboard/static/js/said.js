// @ts-check
// What an action has said is taken away when the page tells something newer: "was queued again" is no news
// beside "Failed". Nothing moves while the pointer is on what can be pressed.

const LEAST = 4_000; // to be read in; and what comes first by the stream may be older than the page

/** Watch the state at the head of the page. */
export function said() {
  const told = document.getElementById("said");
  const state = () => document.querySelector("main .head .badge")?.textContent?.trim();
  const then = state();
  if (told === null || then === undefined) return;
  const look = () => {
    if (state() !== then && document.querySelector("main :is(a, .button):hover") === null) told.remove();
  };
  setTimeout(() => {
    look();
    document.addEventListener("celeriac:changed", look);
    document.addEventListener("pointerout", look);
  }, LEAST);
}
