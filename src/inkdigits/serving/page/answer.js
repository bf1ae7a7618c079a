// An answer, shown: the text, how sure it is or why there is none, and where it stands.
import { at, element, percent } from "./dom.js";
import { drawMarks } from "./marks.js";

const MOST_DIGITS = 40;
const MOST_OTHERS = 3;
const LEAST = 0.001; // less probable texts are not worth telling
const TEN = "0123456789";

const SHORT = { blank: "nothing there", not_a_digit: "no number", unsure: "too unsure" };

/** What became of an image, in a few words unless it could not be read at all. */
export function inShort({ error, reason, confidence }) {
  return error ?? SHORT[reason] ?? `${percent(confidence)} sure`;
}

/** Why an answer is none, in words; null where it is one. */
export function whyNot(answer) {
  if (answer.error) return answer.error;
  if (answer.reason === "blank") return "Nothing is written there.";
  if (answer.reason === "not_a_digit") {
    return "That is no number: it looks like another sign, a drawing or a stain. "
      + "Write only digits, apart from each other and from the border.";
  }
  return answer.reason === "unsure" ? doubts(answer) : null;
}

function doubts({ numbers }) {
  if (!numbers.length) return "Nothing that can be read there fits what is known of it.";
  const [first] = numbers;
  const all = [first, ...(first.alternatives ?? [])].slice(0, 3);
  const told = all.map((one) => `${one.text} (${percent(one.confidence)})`);
  return `Too unsure to say. It may be ${told.join(" or ")}.`;
}

export function say(text, note, kind) {
  at("text").textContent = text || "—";
  at("text").className = text ? sized(text) : "empty";
  if (at("text").className === "long") at("text").tabIndex = 0; // so that the keyboard scrolls it
  else at("text").removeAttribute("tabindex");
  at("note").textContent = note;
  at("note").className = kind;
}

/** How a text is set: what has many lines, or a long one, is small and can be scrolled. */
function sized(text) {
  const lines = text.split("\n");
  return lines.length > 3 || lines.some((line) => line.length > 24) ? "long" : "";
}

/** Show that nothing was written or shown yet. */
export function showNothing() {
  say("Nothing yet.", "", "");
  at("text").className = "empty";
  for (const id of ["digits", "others"]) at(id).replaceChildren();
  at("picture").hidden = true;
  clearMarks();
}

/** Show an answer, marked on the sheet if it is for what was drawn, else on its ImageBitmap. */
export function showAnswer(answer, image, drawn) {
  const why = whyNot(answer);
  say(answer.text, why ?? `${percent(answer.confidence)} sure`, why ? "bad" : "good");
  const [first, ...more] = answer.numbers;
  const single = first && !more.length && first.digits.length === 1;
  at("digits").className = single ? "ten" : "";
  at("digits").replaceChildren(...(single ? tenBars(first) : digitBars(answer.numbers)));
  const all = single || more.length ? [] : first?.alternatives ?? [];
  const others = all.filter((other) => other.confidence >= LEAST);
  at("others").replaceChildren(...others.slice(0, MOST_OTHERS).map(
    (other) => element("li", `${other.text}  ${percent(other.confidence)}`),
  ));
  clearMarks();
  at("picture").hidden = !image;
  if (drawn) drawMarks(at("marks").getContext("2d"), answer.numbers, false);
  if (image) markPicture(answer.numbers, image);
}

/** The probability of each of the ten digits. */
function tenBars(number) {
  const shares = new Map([[number.text, number.confidence]]);
  for (const { text, confidence } of number.alternatives ?? []) shares.set(text, confidence);
  return [...TEN].map((digit) => bar(digit, shares.get(digit) ?? 0, digit === number.text));
}

function digitBars(numbers) {
  const all = numbers.flatMap((number) => number.digits);
  const bars = all.slice(0, MOST_DIGITS)
    .map(({ digit, confidence }) => bar(String(digit), confidence, true));
  if (all.length <= MOST_DIGITS) return bars;
  return [...bars, element("li", `the first ${MOST_DIGITS} of ${all.length} digits`, "rest")];
}

function bar(digit, share, chosen) {
  const row = element("li", undefined, chosen ? "chosen" : "");
  const rod = element("i");
  rod.style.setProperty("--share", share);
  const told = element("small", share >= 0.005 ? `${Math.round(100 * share)}` : "·");
  const spoken = element("span", `${digit}: ${percent(share)}`, "unseen");
  for (const part of [rod, told]) part.setAttribute("aria-hidden", "true");
  const name = element("b", digit);
  name.setAttribute("aria-hidden", "true");
  row.append(told, rod, name, spoken);
  return row;
}

function clearMarks() {
  const marks = at("marks");
  marks.getContext("2d").clearRect(0, 0, marks.width, marks.height);
}

function markPicture(numbers, image) {
  const picture = at("picture");
  picture.width = image.width;
  picture.height = image.height;
  const pen = picture.getContext("2d");
  pen.drawImage(image, 0, 0);
  drawMarks(pen, numbers, true);
}
