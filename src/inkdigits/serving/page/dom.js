// What every part of the page uses.
export const at = (id) => document.getElementById(id);

/** A share as people read it; nothing is ever quite sure. */
export function percent(share) {
  return share > 0.9995 ? "over 99.9 %" : `${(100 * share).toFixed(1)} %`;
}

export function element(kind, text, className) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Tell a screen reader something that the page shows in passing. */
export function announce(text) {
  at("status").textContent = text;
}

const SHOWN = 2500; // milliseconds
let hiding = 0;

/** Tell everybody something in passing. */
export function toast(text) {
  announce(text);
  at("status").classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => at("status").classList.remove("shown"), SHOWN);
}
