// The review: one item after the other, decided by keyboard, kept as it is decided.
import { announce, at } from "./dom.js";
import { onTrouble, send, unsent } from "./outbox.js";
import { askNow, askSoon, tellLeft } from "./progress.js";
import {
  choose, focusReading, isElsewhere, mark, nameOf, show, showNone, turnBoxes,
} from "./show.js";
import {
  comeBack, isExhausted, isWaiting, onChange, pass, reviewer, take, want,
} from "./supply.js";

const FIELDS = ["show", "status-wanted", "reason", "low", "high"];
const done = []; // what was decided here, the latest last
let shown = null;
let byPointer = false; // how the person acted last

function advance() {
  shown = take();
  if (shown) show(shown);
  else showNone(isExhausted() && !isWaiting() ? "Nothing left." : "…");
}

/** Whatever came: show it if nothing is shown. */
function changed() {
  tellLeft();
  if (!shown) advance();
}

function accept() {
  if (!shown) return;
  const text = at("reading").value;
  if (text) decide("read", text);
  else if (!shown.text) decide("none", "");
  else announce("Type what it says, or press Escape where nobody can read it.");
}

function decide(verdict, text) {
  const entry = shown;
  if (!entry) return;
  const before = entry.decision;
  if (before?.verdict === verdict && before.text === text) return later();
  const replaces = before?.id ?? null;
  const id = send("decisions", { reviewer, item: entry.item, verdict, text, replaces }, (error) => {
    if (error) forget(id, `${nameOf(entry)}: ${error.message}`);
    else askSoon();
  });
  done.push({ id, entry });
  return advance();
}

/** What was refused cannot be taken back; say why it was. */
function forget(id, why) {
  const place = done.findIndex((one) => one.id === id);
  if (place >= 0) done.splice(place, 1);
  announce(why);
  showTrouble(why);
}

function showTrouble(why) {
  at("trouble").hidden = !why;
  at("trouble").textContent = why;
}

function undo() {
  const last = done.pop();
  if (!last) {
    announce("There is nothing to take back.");
    return;
  }
  send("undo", { reviewer, undoes: last.id }, (error) => {
    if (error) forget(last.id, error.message);
    else askSoon();
  });
  comeBack(last.entry);
  shown = last.entry;
  show(shown);
}

function later() {
  if (!shown) return;
  pass(shown);
  advance();
}

function byKey(event) {
  const { key, target } = event;
  if (isElsewhere(target)) {
    if (key === "Escape" || key === "Enter") act(event, focusReading);
    return;
  }
  const command = event.ctrlKey || event.metaKey;
  if (command || event.altKey) {
    if (command && key.toLowerCase() === "z") act(event, undo);
    return;
  }
  if (key === "Enter" && target.matches("button, a, summary")) return;
  const action = KEYS[key.length === 1 ? key.toLowerCase() : key];
  // A key that is held down decides once, not thirty times a second.
  if (action) act(event, event.repeat ? () => {} : action);
}

const KEYS = {
  Enter: accept,
  Escape: () => decide("unreadable", ""),
  ArrowDown: () => choose(1),
  ArrowUp: () => choose(-1),
  u: undo,
  l: later,
  b: turnBoxes,
};

function act(event, action) {
  event.preventDefault();
  action();
}

function filter() {
  const [shows, status, reason, low, high] = FIELDS.map((id) => at(id).value);
  const share = (text, none) => (text === "" ? none : Math.min(1, Math.max(0, text / 100)));
  return {
    show: shows, status: status || null, reason: reason || null,
    low: share(low, 0), high: share(high, 1),
  };
}

function wantOthers() {
  shown = null;
  showNone("…");
  want(filter());
}

/** Who chose from a list with the mouse is done there; by keyboard every step is a choice. */
function chosen({ target }) {
  if (byPointer && target.matches("select")) focusReading();
  wantOthers();
}

onChange(changed, showTrouble);
onTrouble((why) => showTrouble(why && `${why} Not kept yet: ${unsent()}.`));
addEventListener("keydown", byKey);
at("reading").addEventListener("beforeinput", (event) => {
  if (event.data && !/^\d+$/.test(event.data)) event.preventDefault();
});
at("reading").addEventListener("input", mark);
const buttons = { accept, unreadable: KEYS.Escape, undo, later };
for (const [id, action] of Object.entries(buttons)) at(id).addEventListener("click", action);
for (const id of FIELDS) at(id).addEventListener("change", chosen);
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => { byPointer = kind === "pointerdown"; }, true);
}
at("target").addEventListener("change", askNow);
wantOthers();
askNow();
