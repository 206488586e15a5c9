// @ts-check
// Light or dark: the server remembers it in a cookie; here it changes at once.

/** @typedef {{next: () => void}} Look */

/** @returns {Look} */
export function theme() {
  const choice = document.getElementById("theme");
  const button = document.getElementById("set-theme");
  if (!(choice instanceof HTMLSelectElement) || choice.form === null) return { next() {} };
  if (button) button.hidden = true;
  const form = choice.form;
  choice.addEventListener("change", () => {
    document.documentElement.dataset.theme = choice.value;
    const fields = new URLSearchParams({ theme: choice.value, to: "/settings/theme" });
    void fetch(form.action, { method: "POST", body: fields, redirect: "manual" });
  });
  return {
    next() {
      const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
      const now = choice.value === "system" ? (isDark ? "dark" : "light") : choice.value;
      choice.value = now === "dark" ? "light" : "dark";
      choice.dispatchEvent(new Event("change"));
    },
  };
}
