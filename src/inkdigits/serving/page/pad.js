// The sheet to write on. Strokes are kept as points, so that the last one can be taken back.
import { announce, at } from "./dom.js";

const WAIT = 120; // milliseconds of rest after a stroke before it is read
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 24, SMALL_STEP = 6; // pixels that an arrow key moves the pen
const NARROW = "(max-width: 52rem)"; // as in page.css
const TALL = 640; // height of the sheet where it is narrow: room for a finger
const pad = at("pad");
const ink = pad.getContext("2d");
const nib = { x: pad.width / 2, y: pad.height / 4 };
let strokes = [];
const cleared = []; // the strokes that each clearing took, to be had back
let current = null;
let pointer = null; // that which draws; a second finger, or the hand beside the pen, does not
let timer = 0;
let version = 0;
let reading = Promise.resolve();
let written = () => {};

/** Call `onWritten` with a PNG blob whenever the pen rests, and with null when all is cleared. */
export function startPad(onWritten) {
  written = onWritten;
  if (matchMedia(NARROW).matches) pad.height = at("marks").height = TALL;
  pad.parentElement.style.aspectRatio = pad.width / pad.height;
  pad.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    pad.setPointerCapture(pointer);
    begin(placeOf(event));
  });
  pad.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    goOn((events.length ? events : [event]).map(placeOf));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    pad.addEventListener(name, (event) => { if (event.pointerId === pointer) end(); });
  }
  pad.addEventListener("keydown", byKey);
  pad.addEventListener("focus", () => { if (pad.matches(":focus-visible")) showNib(); });
  pad.addEventListener("blur", () => { end(); at("nib").hidden = true; });
  repaint();
}

/** Read the drawing again, as when something else became known of it. */
export function settle() {
  clearTimeout(timer);
  repaint();
  const mine = ++version;
  const read = (done) => pad.toBlob((blob) => done(mine === version ? written(blob) : reading));
  reading = strokes.length
    ? new Promise((done) => { timer = setTimeout(read, WAIT, done); })
    : written(null);
}

/** Wait until what is on the sheet now was read. */
export async function settled() {
  let last = null;
  while (last !== reading) {
    last = reading;
    await last;
  }
}

/** Take back the last stroke, or where none is left the last clearing. */
export function undo() {
  if (!strokes.pop()) {
    if (!cleared.length) return;
    strokes = cleared.pop();
  }
  settle();
}

export function clear() {
  if (strokes.length) cleared.push(strokes);
  strokes = [];
  current = null;
  settle();
}

function begin(place) {
  current = { points: [place], width: Number(at("pen").value) };
  strokes.push(current);
  repaint();
}

function goOn(places) {
  if (!current) return;
  current.points.push(...places);
  repaint();
}

function end() {
  pointer = null;
  if (!current) return;
  current = null;
  settle();
}

function placeOf(event) {
  const box = pad.getBoundingClientRect();
  const across = pad.width / box.width, down = pad.height / box.height;
  return [(event.clientX - box.left) * across, (event.clientY - box.top) * down];
}

function byKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const way = STEPS[event.key];
  if (!way && event.key !== " ") return;
  event.preventDefault();
  if (way) move(way, event.shiftKey ? SMALL_STEP : STEP);
  else if (current) end();
  else begin([nib.x, nib.y]);
  if (!way) announce(current ? "Pen down." : "Pen up.");
  showNib();
}

function move([across, down], step) {
  nib.x = Math.min(Math.max(nib.x + across * step, 0), pad.width);
  nib.y = Math.min(Math.max(nib.y + down * step, 0), pad.height);
  goOn([[nib.x, nib.y]]);
}

function showNib() {
  const mark = at("nib");
  mark.hidden = false;
  mark.className = current ? "down" : "";
  mark.style.left = `${(100 * nib.x) / pad.width}%`;
  mark.style.top = `${(100 * nib.y) / pad.height}%`;
}

function repaint() {
  at("invitation").hidden = strokes.length > 0;
  ink.fillStyle = "#ffffff";
  ink.fillRect(0, 0, pad.width, pad.height);
  ink.strokeStyle = "#1d2733";
  ink.lineCap = ink.lineJoin = "round";
  for (const { points, width } of strokes) {
    ink.lineWidth = width;
    ink.beginPath();
    ink.moveTo(points[0][0] - 0.1, points[0][1]);
    for (const point of points) ink.lineTo(...point);
    ink.stroke();
  }
}
