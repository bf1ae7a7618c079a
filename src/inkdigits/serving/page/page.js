// The page: what is written or shown is read, by the service or here, and its answer shown.
import { say, showAnswer, showNothing } from "./answer.js";
import { startCamera } from "./camera.js";
import { at } from "./dom.js";
import { addRow, fillRow, startHistory } from "./history.js";
import { clear, settle, settled, startPad, undo } from "./pad.js";
import { known, service } from "./service.js";

const exported = "local" in document.documentElement.dataset;
const local = exported || new URLSearchParams(location.search).has("local");
const reader = local ? openReader() : Promise.resolve(service);
const turns = new WeakMap(); // of each row, when it was asked for last
let turn = 0; // answers that come after a later question are not shown
let asked = null; // the last question, answered or not
let shown = null;

async function openReader() {
  const { openLocal } = await import("./local.js");
  return openLocal();
}

/** Read a drawing, or an image that has a row; show the answer unless something came since. */
async function read(blob, name, row) {
  const mine = ++turn;
  asked = { blob, name, row };
  if (row) turns.set(row, mine);
  const image = row ? await createImageBitmap(blob).catch(() => null) : null;
  const answer = await ask(blob, name);
  if (row && turns.get(row) === mine) fillRow(row, answer, image);
  if (mine !== turn) return;
  shown = { blob, answer, row };
  showAnswer(answer, image, !row);
  await see();
}

async function ask(blob, name) {
  try {
    return await (await reader).ask(blob, name);
  } catch (error) {
    const nothing = { text: "", confidence: 0, numbers: [] };
    return { image: name, status: "error", ...nothing, error: error.message };
  }
}

/** Show what the network saw of what is shown, where someone looks. */
async function see() {
  const place = at("seen-picture");
  at("seen").hidden = !shown || Boolean(shown.answer.error);
  place.replaceChildren();
  if (!at("seen").open || at("seen").hidden) return;
  const mine = turn;
  try {
    const picture = await (await reader).see(shown.blob);
    if (mine === turn) place.replaceChildren(picture);
  } catch (error) {
    place.textContent = error.message;
  }
}

function written(blob) {
  if (blob) return read(blob, "drawing", null);
  turn += 1;
  asked = shown = null;
  showNothing();
  return see();
}

/** Read images in turn: each has its row and its own status. */
async function take(files) {
  const rows = files.map((file) => addRow(file.name || "pasted"));
  for (const [n, file] of files.entries()) await read(file, file.name || "pasted", rows[n]);
}

/** Keep the reading of the drawing, as it is now, in the history. */
async function keep() {
  await settled();
  if (!shown || shown.row) return;
  const { blob, answer } = shown;
  fillRow(addRow(answer.image), answer, await createImageBitmap(blob));
}

/** Read again what was asked for last, as something else became known of it. */
function readAgain() {
  if (!asked) return;
  const { blob, name, row } = asked;
  if (row) read(blob, name, row);
  else settle();
}

function byKey(event) {
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (event.target.matches("input:not([type=range]), select") || at("camera-dialog").open) return;
  if (key === "escape") clear();
  if (key === "enter" && event.target === at("pad")) keep();
  if (command && key === "z") act(event, undo);
  if (command && key === "o") act(event, () => at("files").click());
}

function act(event, action) {
  event.preventDefault();
  action();
}

function acceptDrops() {
  const drop = at("drop");
  for (const name of ["dragover", "dragleave", "drop"]) {
    addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") take([...event.dataTransfer.files]);
    });
  }
}

/** Say that nothing leaves this browser, and hide what only the service can do. */
function showLocalMode() {
  at("mode").textContent = "Write one digit. It is read in this browser: no picture leaves it.";
  at("drop-hint").textContent = "Drop or paste a picture of one digit. Reading without a service "
    + "is made for drawings on an even ground; photos of paper may fare worse.";
  at("known").hidden = true;
  at("other-mode").textContent = "Read by the service";
  at("other-mode").href = "./";
  at("other-mode").hidden = at("api").hidden = exported;
  say("", "The network is being loaded …", "");
  reader.then(() => shown ?? showNothing(), (error) => say("", error.message, "bad"));
}

startPad(written);
startHistory();
startCamera(take);
acceptDrops();
at("files").addEventListener("change", async () => {
  const files = [...at("files").files];
  at("files").value = ""; // so that the same file can be chosen again
  await take(files);
});
addEventListener("paste", (event) => take([...event.clipboardData.files]));
addEventListener("keydown", byKey);
at("undo").addEventListener("click", undo);
at("clear").addEventListener("click", clear);
at("keep").addEventListener("click", keep);
at("seen").addEventListener("toggle", see);
for (const field of [...known, at("key")]) {
  field.addEventListener("change", readAgain);
}
if (local) showLocalMode();
