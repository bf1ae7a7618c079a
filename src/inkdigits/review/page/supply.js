// The items that come next, with their pictures, fetched before they are wanted.
import { get, getPicture, newName, post } from "./ask.js";

const HELD = 6;
const HEARD_MILLISECONDS = 60_000; // a third of what the service waits before it gives items away
const RETRY_MILLISECONDS = 1000;
const IDLE_MILLISECONDS = 3000;
const OTHER_TABLE = 409;
export const reviewer = newName();

let ready = []; // entries in order, the one that is shown not among them
let shown = null;
let passed = [];
let filter = {};
let left = null;
let exhausted = false;
let filling = null;
let turn = 0; // answers for an earlier filter are thrown away
let tell = () => {};
let trouble = () => {};

/** Call `changed` when entries came or went, and `refused` with why nothing more will come. */
export function onChange(changed, refused) {
  [tell, trouble] = [changed, refused];
}

/** How many items are of the kind that is wanted, null before that is known. */
export const howManyLeft = () => left;

/** Whether the service had no more to hand out when it was last asked. */
export const isExhausted = () => exhausted;

/** Whether the picture of the next entry is on its way. */
export const isWaiting = () => ready.length > 0;

/** Begin anew with other items. */
export async function want(wanted) {
  const mine = ++turn;
  [filter, ready, shown, passed, left, exhausted] = [wanted, [], null, [], null, false];
  // An answer on its way would be leased to this page after the release, and never be shown.
  filling = released(filling);
  await filling;
  if (mine !== turn) return;
  filling = null;
  fill();
}

async function released(before) {
  await before;
  await post("release", { reviewer }).catch(() => null);
}

/** Take the next entry whose picture is there; null where none is. */
export function take() {
  shown = ready.length && ready[0].loaded ? ready.shift() : null;
  if (shown) fill();
  return shown;
}

/** Put the shown entry back in front, and show another that was there before. */
export function comeBack(entry) {
  if (shown) ready.unshift(shown);
  shown = entry;
}

/** Leave an entry for later. */
export function pass(entry) {
  passed.push(entry.item);
}

async function fill() {
  if (filling || ready.length >= HELD) return;
  filling = ask();
  await filling;
}

async function ask() {
  const mine = turn;
  const sent = passed;
  passed = [];
  try {
    const held = [shown, ...ready].filter(Boolean);
    const holding = held.map(({ item, decision }) => ({ item, decision: decision?.id ?? null }));
    const count = Math.max(0, HELD - ready.length);
    const answer = await post("next", { reviewer, filter, count, holding, passed: sent });
    if (mine === turn) receive(answer, count);
  } catch (error) {
    passed.push(...sent);
    if (error.status === OTHER_TABLE) trouble(error.message);
    else setTimeout(fill, RETRY_MILLISECONDS);
  }
  if (mine === turn) filling = null;
  tell();
}

function receive(answer, count) {
  left = answer.left;
  exhausted = answer.items.length < count;
  ready = ready.filter(({ item }) => !answer.lost.includes(item));
  for (const entry of answer.items) {
    ready.push(entry);
    load(entry);
  }
}

async function load(entry) {
  try {
    [entry.view, entry.picture] = await Promise.all([
      get(`items/${entry.item}`), getPicture(`items/${entry.item}/picture`),
    ]);
  } catch {
    setTimeout(load, RETRY_MILLISECONDS, entry);
    return;
  }
  entry.loaded = true;
  tell();
}

setInterval(() => { filling ??= ask(); }, HEARD_MILLISECONDS);
// What others give back, or decide, while there is nothing to do here.
setInterval(() => { if (exhausted && !shown) fill(); }, IDLE_MILLISECONDS);
addEventListener("pagehide", () => {
  const told = JSON.stringify({ reviewer, leaves: true });
  navigator.sendBeacon("v1/release", new Blob([told], { type: "application/json" }));
});
// Who comes back to a page that was left is somebody new.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
