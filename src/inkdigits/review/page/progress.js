// How much was decided, how much error is left, and what can be taken along.
import { get } from "./ask.js";
import { at, element } from "./dom.js";
import { howManyLeft } from "./supply.js";

const BETWEEN_MILLISECONDS = 1000;
let due = null;

/** Ask how things stand, soon: not after each of many decisions. */
export function askSoon() {
  due ??= setTimeout(async () => {
    await askNow();
    due = null;
  }, BETWEEN_MILLISECONDS);
}

/** Ask how things stand; without a service everything stays as it is. */
export async function askNow() {
  const given = Number(at("target").value) / 100;
  const query = given > 0 && given <= 1 ? `?target=${given}` : "";
  try {
    tell(await get(`progress${query}`));
  } catch {
    // Who saves decisions tells that the service does not answer.
  }
}

export function tellLeft() {
  const left = howManyLeft();
  at("left").textContent = left === null ? "" : `${count(left)} of this kind.`;
}

function tell(state) {
  at("results").textContent = state.results;
  at("progress").max = state.items;
  at("progress").value = state.items - state.open;
  at("counts").textContent = `${count(state.items - state.open)} of ${count(state.items)}: `
    + `${count(state.accepted)} accepted, ${count(state.corrected)} corrected, `
    + `${count(state.unreadable)} unreadable`;
  if (!at("target").value) at("target").value = Number((100 * state.target).toPrecision(6));
  const { n, unseen, error, low, high, needed } = state.remaining;
  at("remaining").textContent = unseen
    ? `${share(error)} of ${count(n)} readings are wrong, ${share(low)} to ${share(high)} `
      + "(95 % interval)."
    : "Every accepted reading was looked at.";
  at("plan").textContent = planned(needed, state.target);
  showDownloads(state);
}

function planned(needed, target) {
  if (!needed) return `Not more than ${share(target)}, at 95 % certainty.`;
  return `About ${count(needed)} more of the accepted ones, the least sure first, `
    + `until it is not more than ${share(target)} at 95 % certainty.`;
}

function showDownloads({ formats }) {
  if (at("take-along").children.length) return;
  const links = formats.map((kind) => link(`v1/corrected.${kind}`, `Corrected results, ${kind}`));
  at("take-along").replaceChildren(...links, link("v1/labels.zip", "Labelled images, zip"));
}

function link(path, text) {
  const made = element("a", text);
  made.href = path;
  made.download = "";
  return made;
}

const count = (number) => number.toLocaleString("en");

function share(value) {
  const percents = 100 * value;
  return `${percents >= 10 ? percents.toFixed(0) : percents.toPrecision(2)} %`;
}
