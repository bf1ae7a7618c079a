// What was read before, to look at and to take along; it is gone when the page is left.
import { inShort } from "./answer.js";
import { at, element, toast } from "./dom.js";

const THUMB = { width: 72, height: 44 };
const FORMULA = /^[=+\-@\t\r]/; // what a spreadsheet would carry out

export function startHistory() {
  at("copy").addEventListener("click", copy);
  at("csv").addEventListener("click", () => save("readings.csv", asCsv(), "text/csv"));
  at("json").addEventListener("click", () => {
    save("readings.json", JSON.stringify(readings(), null, 2), "application/json");
  });
  at("forget").addEventListener("click", forget);
}

/** Add a row for an image that waits to be read. */
export function addRow(name) {
  const row = element("tr", undefined, "waiting");
  row.append(element("td", name), element("td", "…"), element("td", "reading"));
  at("history").prepend(row);
  showTable();
  return row;
}

/** The answers that the table holds, the first that was asked for first. */
function readings() {
  return [...at("history").children].reverse().flatMap(({ answer }) => answer ?? []);
}

/** Fill a row with its answer; `image` is its ImageBitmap or null. */
export function fillRow(row, answer, image) {
  row.answer = answer;
  row.className = answer.status === "ok" ? "" : "bad";
  const name = element("td", answer.image);
  if (image) name.prepend(thumbnail(image));
  row.replaceChildren(name, element("td", answer.text || "—"), element("td", inShort(answer)));
}

function thumbnail(image) {
  const made = element("canvas");
  const scale = Math.min(THUMB.width / image.width, THUMB.height / image.height);
  made.width = Math.max(1, Math.round(2 * scale * image.width));
  made.height = Math.max(1, Math.round(2 * scale * image.height));
  const pen = made.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, 0, 0, made.width, made.height);
  made.style.width = `${made.width / 2}px`;
  return made;
}

function forget() {
  at("history").replaceChildren();
  showTable();
  toast("Forgotten.");
}

function showTable() {
  const empty = at("history").children.length === 0;
  at("no-history").hidden = !empty;
  at("readings").hidden = at("take-along").hidden = empty;
}

async function copy() {
  const text = readings().map((one) => one.text).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("This browser does not let the page copy.");
  }
}

function quoted(value) {
  const text = String(value ?? "").replaceAll('"', '""');
  return `"${FORMULA.test(text) ? "'" : ""}${text}"`;
}

function asCsv() {
  const head = ["image", "status", "text", "confidence", "reason", "error"];
  const rows = readings().map((one) => head.map((name) => quoted(one[name])).join(","));
  return `${[head.join(","), ...rows].join("\r\n")}\r\n`;
}

function save(name, text, type) {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  toast(`${name} saved.`);
}
