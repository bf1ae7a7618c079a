// The page: what is drawn or shown goes to /v1/read; its answer is drawn over it.
const at = (id) => document.getElementById(id);
const WAIT = 120; // milliseconds of rest after a stroke before it is read
const WHY = {
  blank: "Nothing is written there.",
  not_a_digit: "That is no number.",
  unsure: "Too unsure to say.",
};
const KNOWN = ["layout", "length", "max", "pattern", "checksum"];
const read_before = [];
let turn = 0;

async function ask(blob, name) {
  const query = new URLSearchParams({ top: "4", name });
  for (const id of KNOWN) if (at(id).value) query.set(id, at(id).value);
  const type = blob.type || "application/octet-stream";
  const response = await fetch(`v1/read?${query}`, {
    method: "POST", body: blob, headers: { "Content-Type": type },
  });
  const answer = await response.json();
  if (answer.error?.message) throw new Error(`${answer.error.message} ${answer.error.hint}`);
  return answer;
}

async function read(blob, name, keep) {
  const mine = ++turn;
  try {
    const answer = await ask(blob, name);
    if (keep) remember(answer);
    if (mine === turn) await show(answer, blob);
  } catch (error) {
    if (mine === turn) say("", error.message || "The service does not answer.", "bad");
  }
}

function say(text, note, kind) {
  at("text").textContent = text || "—";
  at("text").className = text ? "" : "empty";
  at("note").textContent = note;
  at("note").className = kind;
}

async function show(answer, blob) {
  const sure = answer.status === "ok";
  const note = sure ? `${percent(answer.confidence)} sure` : answer.error || WHY[answer.reason];
  say(answer.text, note, sure ? "good" : "bad");
  const digits = answer.numbers.flatMap((number) => number.digits);
  at("digits").replaceChildren(...digits.slice(0, 40).map(digitRow));
  const others = answer.numbers.length === 1 ? answer.numbers[0].alternatives ?? [] : [];
  at("others").replaceChildren(
    ...others.map((other) => element("li", `${other.text}  ${percent(other.confidence)}`)),
  );
  await mark(blob, answer.numbers);
}

function digitRow(digit) {
  const row = element("li", "");
  const meter = document.createElement("meter");
  meter.value = digit.confidence;
  meter.setAttribute("aria-label", `${digit.digit}: ${percent(digit.confidence)}`);
  row.append(element("b", digit.digit), meter, element("span", percent(digit.confidence)));
  return row;
}

async function mark(blob, numbers) {
  const canvas = at("picture");
  canvas.hidden = true;
  let image;
  try { image = await createImageBitmap(blob); } catch { return; }
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.hidden = false;
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const thick = Math.max(2, image.width / 300);
  for (const number of numbers) {
    pen.strokeStyle = number.reason ? "#a1303a" : "#1f4f8b";
    pen.lineWidth = thick;
    pen.strokeRect(...number.box);
    pen.lineWidth = thick / 2;
    for (const digit of number.digits) pen.strokeRect(...digit.box);
  }
}

function element(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

const percent = (share) => `${(100 * share).toFixed(share > 0.9995 ? 0 : 1)} %`;

function remember(answer) {
  read_before.push(answer);
  const row = document.createElement("tr");
  const status = answer.reason ? WHY[answer.reason] : answer.error || answer.status;
  const cells = [answer.image, answer.text || "—", percent(answer.confidence), status];
  row.append(...cells.map((text) => element("td", text)));
  at("history").prepend(row);
}

// Drawing: strokes are kept as points, so that the last one can be taken back.
const pad = at("pad");
const ink = pad.getContext("2d");
let strokes = [];
let current = null;
let timer = 0;

function place(event) {
  const box = pad.getBoundingClientRect();
  const across = pad.width / box.width, down = pad.height / box.height;
  return [(event.clientX - box.left) * across, (event.clientY - box.top) * down];
}

function repaint() {
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

function settle() {
  clearTimeout(timer);
  repaint();
  if (strokes.length) {
    timer = setTimeout(() => pad.toBlob((blob) => read(blob, "drawing", false)), WAIT);
    return;
  }
  turn += 1;
  say("", "", "");
  at("text").textContent = "Nothing yet.";
  for (const id of ["digits", "others"]) at(id).replaceChildren();
  at("picture").hidden = true;
}

pad.addEventListener("pointerdown", (event) => {
  pad.setPointerCapture(event.pointerId);
  current = { points: [place(event)], width: Number(at("pen").value) };
  strokes.push(current);
  repaint();
});
pad.addEventListener("pointermove", (event) => {
  if (!current) return;
  const events = event.getCoalescedEvents?.() ?? [];
  current.points.push(...(events.length ? events : [event]).map(place));
  repaint();
});
for (const name of ["pointerup", "pointercancel"]) {
  pad.addEventListener(name, () => {
    if (!current) return;
    current = null;
    settle();
  });
}
const undo = () => { strokes.pop(); settle(); };
const clear = () => { strokes = []; settle(); };
at("undo").addEventListener("click", undo);
at("clear").addEventListener("click", clear);
addEventListener("keydown", (event) => {
  if (event.target.matches("input, select")) return;
  if (event.key === "Escape") clear();
  if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    undo();
  }
});

// Images: chosen, dropped, pasted, or from the camera.
async function take(files) {
  for (const file of files) await read(file, file.name || "pasted", true);
}
for (const id of ["files", "camera"]) {
  at(id).addEventListener("change", (event) => {
    take([...event.target.files]);
    event.target.value = "";
  });
}
const drop = at("drop");
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
addEventListener("dragleave", () => drop.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take([...event.dataTransfer.files]);
});
addEventListener("paste", (event) => take([...event.clipboardData.files]));
for (const id of KNOWN) at(id).addEventListener("change", () => strokes.length && settle());

// What was read, to take along.
const quoted = (value) => `"${String(value ?? "").replaceAll('"', '""')}"`;
function asCsv() {
  const head = ["image", "status", "text", "confidence", "reason"];
  const rows = read_before.map((one) => head.map((name) => quoted(one[name])).join(","));
  return `${[head.join(","), ...rows].join("\r\n")}\r\n`;
}
function save(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
const texts = () => read_before.map((one) => one.text).join("\n");
at("copy").addEventListener("click", () => navigator.clipboard?.writeText(texts()));
at("csv").addEventListener("click", () => save("readings.csv", asCsv(), "text/csv"));
at("json").addEventListener("click", () => {
  save("readings.json", JSON.stringify(read_before, null, 2), "application/json");
});
at("forget").addEventListener("click", () => {
  read_before.length = 0;
  at("history").replaceChildren();
});
repaint();
