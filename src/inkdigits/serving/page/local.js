// The reader in the browser alone: the same network, framed the same way, for single digits.
import { metadataOf } from "./artefact.js";
import { element } from "./dom.js";
import { frame, SIDE } from "./frame.js";
import { planeOf } from "./pixels.js";

const RUNTIME = "vendor/ort.wasm.bundle.min.mjs";
const WASM = "vendor/ort-wasm-simd-threaded.wasm";
const MODEL = "digit.onnx";
const MOST_PIXELS = 50_000_000;
const SHOWN = 8; // screen pixels for each that the network sees
const here = (path) => new URL(path, import.meta.url).href;

/** Load runtime and model: { ask, see } as the service has them; an Error says what is missing. */
export async function openLocal() {
  const runtime = await loadRuntime();
  const bytes = await loadModel();
  runtime.env.wasm.numThreads = 1;
  runtime.env.wasm.wasmPaths = { wasm: here(WASM) };
  const session = await runtime.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const metadata = metadataOf(bytes);
  const predict = async (image) => {
    const images = new runtime.Tensor("uint8", image, [1, SIDE, SIDE]);
    const { probabilities, not_a_digit } = await session.run({ images });
    return { shares: [...probabilities.data], notADigit: not_a_digit?.data[0] ?? 0 };
  };
  return {
    ask: async (blob, name) => answerOf(name, await judge(await greyOf(blob), predict, metadata)),
    see: async (blob) => pictureOf(frame(await greyOf(blob))),
  };
}

async function loadRuntime() {
  try {
    return await import(here(RUNTIME));
  } catch {
    throw new Error(
      "The files that read in the browser are not here. Run `make vendor` in a checkout of "
      + "inkdigits, then open this page again.",
    );
  }
}

async function loadModel() {
  const response = await fetch(here(MODEL));
  if (!response.ok) throw new Error(`The model is not here: ${MODEL} answers ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The picture in a blob as a grey plane, by Pillow's weights, on white where it lets through. */
async function greyOf(blob) {
  const image = await createImageBitmap(blob).catch(() => {
    throw new Error("This browser cannot open that as an image. Choose a PNG or JPEG.");
  });
  const { width, height } = image;
  if (width * height > MOST_PIXELS) throw new Error("That image is too large. Shrink it first.");
  const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(image, 0, 0);
  const { data } = pen.getImageData(0, 0, width, height);
  const grey = new Uint8Array(width * height);
  for (let n = 0; n < grey.length; n += 1) {
    const at = 4 * n;
    grey[n] = (19595 * data[at] + 38470 * data[at + 1] + 7471 * data[at + 2] + 32768) >> 16;
  }
  return planeOf(width, height, grey);
}

/** The reading of one digit, or why there is none: Reader._judge_digit. */
async function judge(grey, predict, metadata) {
  const framed = frame(grey);
  if (!framed) return "blank";
  const { shares, notADigit } = await predict(framed.image);
  if (notADigit > metadata.not_a_digit_threshold) return "not_a_digit";
  const order = shares.map((_, digit) => digit).sort((one, other) => shares[other] - shares[one]);
  const [best, ...others] = order.map((digit) => (
    { text: String(digit), confidence: Number(shares[digit].toFixed(6)) }
  ));
  const digits = [{ digit: order[0], confidence: best.confidence, box: framed.box }];
  const number = { ...best, box: framed.box, digits, alternatives: others };
  return shares[order[0]] >= metadata.reject_threshold ? number : { ...number, reason: "unsure" };
}

/** The answer for one number or reason, in the service's shape. */
function answerOf(image, verdict) {
  if (typeof verdict === "string") {
    return { image, status: "rejected", text: "", confidence: 0, numbers: [], reason: verdict };
  }
  const { text, confidence, reason } = verdict;
  const answer = { image, status: "ok", text, confidence, numbers: [verdict] };
  return reason ? { ...answer, status: "rejected", reason } : answer;
}

function pictureOf(framed) {
  if (!framed) return element("p", "Nothing: no ink was found.");
  const made = element("canvas");
  made.width = made.height = SIDE * SHOWN;
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", "The 28 by 28 pixels that the network saw");
  const pen = made.getContext("2d");
  framed.image.forEach((level, n) => {
    pen.fillStyle = `rgb(${level} ${level} ${level})`;
    pen.fillRect((n % SIDE) * SHOWN, Math.floor(n / SIDE) * SHOWN, SHOWN, SHOWN);
  });
  return made;
}
