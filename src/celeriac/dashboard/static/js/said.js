// @ts-check
// What an action has said is taken away when the page tells something newer: "is queued again" is no news
// beside "Failed". Nothing moves while the pointer is on what can be pressed.

/** Watch the state at the head of the page. */
export function said() {
  const told = document.getElementById("said");
  const state = () => document.querySelector("main .head .badge")?.textContent?.trim();
  const then = state();
  if (told === null || then === undefined) return;
  const look = () => {
    if (state() !== then && document.querySelector("main :is(a, .button):hover") === null) told.remove();
  };
  document.addEventListener("celeriac:changed", look);
  document.addEventListener("pointerout", look);
}
