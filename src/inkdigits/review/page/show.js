// One item, shown: its picture with boxes, what was read, and what else it may be.
import { announce, at, element, percent } from "./dom.js";
import { drawMarks } from "./marks.js";

const WIDE = 960, HIGH = 600, MOST_GROWTH = 8;
const WHY = { blank: "nothing there", not_a_digit: "no number", unsure: "too unsure" };
let boxes = true;
let now = null;

/** Show an entry; what was read, or decided before, is selected, so that typing replaces it. */
export function show(entry) {
  now = entry;
  const field = at("reading");
  field.readOnly = false;
  field.value = entry.decision ? entry.decision.text : entry.text;
  field.dataset.item = entry.item;
  at("image").textContent = nameOf(entry);
  at("check").hidden = !entry.check;
  at("note").textContent = noteOn(entry);
  at("note").className = entry.status === "ok" && !entry.view.error ? "good" : "bad";
  at("texts").replaceChildren(...entry.view.texts.map(
    (one) => element("li", `${one.text}  ${percent(one.confidence)}`),
  ));
  draw();
  // Who is choosing what to see keeps on typing where he is.
  if (!isElsewhere(document.activeElement)) focusReading();
  announce(spoken(entry));
}

/** Whether an element is one of those that choose what is shown. */
export const isElsewhere = (one) => Boolean(one?.matches("select, input:not(#reading)"));

/** Put the keyboard where the reading is typed. */
export function focusReading() {
  const field = at("reading");
  field.focus({ preventScroll: true });
  field.select();
}

/** Show that there is nothing to show, and why. */
export function showNone(why) {
  if (!now && at("image").textContent === why) return;
  now = null;
  const field = at("reading");
  field.value = "";
  field.readOnly = true; // still where the keyboard is
  delete field.dataset.item;
  at("image").textContent = why;
  at("note").textContent = "";
  at("check").hidden = true;
  at("texts").replaceChildren();
  draw();
  announce(why);
}

export function turnBoxes() {
  boxes = !boxes;
  draw();
  announce(boxes ? "Boxes shown." : "Boxes hidden.");
}

/** Take the next (1) or the one before (-1) of what it may be into the field. */
export function choose(step) {
  if (!now) return;
  const all = [now.text, ...now.view.texts.map((one) => one.text)].filter(Boolean);
  if (!all.length) return;
  const field = at("reading");
  const place = all.indexOf(field.value);
  field.value = all[(place + step + all.length + (place < 0 && step < 0)) % all.length];
  field.select();
  mark();
  announce(field.value);
}

/** Mark what stands in the field among what it may be. */
export function mark() {
  [...at("texts").children].forEach((row, n) => {
    row.classList.toggle("chosen", now?.view.texts[n].text === at("reading").value);
  });
}

export function nameOf({ image, page }) {
  return page === null ? image : `${image}, page ${page}`;
}

function noteOn(entry) {
  if (entry.view.error) return entry.view.error;
  const said = entry.decision;
  if (said) {
    if (said.verdict === "unreadable") return "Decided: unreadable.";
    return said.verdict === "none" ? "Decided: no number." : `Decided; read as ${entry.text || "—"}.`;
  }
  if (entry.error) return entry.error;
  const sure = entry.text ? `${percent(entry.confidence)} sure` : "";
  return [sure, WHY[entry.reason]].filter(Boolean).join(", ");
}

function spoken(entry) {
  const texts = entry.view.texts.slice(0, 2);
  const others = texts.map(({ text, confidence }) => `or ${text}, ${percent(confidence)}`);
  return [entry.text || "Nothing read", noteOn(entry), ...others].join(", ");
}

function draw() {
  const canvas = at("picture");
  const picture = now?.picture;
  const label = now ? `${nameOf(now)}${picture ? "" : ": no picture"}` : "No picture";
  canvas.setAttribute("aria-label", label);
  if (!picture) {
    canvas.width = WIDE;
    canvas.height = WIDE / 3;
    return;
  }
  const fits = Math.min(WIDE / picture.width, HIGH / picture.height);
  const growth = Math.max(1, Math.min(MOST_GROWTH, fits));
  canvas.width = Math.round(picture.width * growth);
  canvas.height = Math.round(picture.height * growth);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const larger = ({ box }) => box.map((value) => value * growth);
  const numbers = now.view.numbers.map((number) => ({
    ...number, box: larger(number), digits: number.digits.map((one) => ({ box: larger(one) })),
  }));
  if (boxes) drawMarks(pen, numbers, false);
}
