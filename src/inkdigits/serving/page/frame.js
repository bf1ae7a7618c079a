// The ink becomes the 28×28 picture that a network sees: imaging/frame.py.
import { clean } from "./clean.js";
import { cropped, dilated, ellipse, mapped, roundEven, shrunk, stretched } from "./pixels.js";

export const SIDE = 28;
const INK_SIDE = 20;
const MIN_STROKE = 1.8;

/**
 * Frame the one digit on a grey plane, 0–255: { image, box }, or null where nothing is written.
 * `image` is 28 × 28 bytes, ink bright on 0; `box` is left, top, width, height in source pixels.
 */
export function frame(page) {
  const { scale, mask, ink } = clean(page);
  const box = boundingBox(mask);
  if (!box) return null;
  return {
    image: centred(shrink(cropped(ink, box), cropped(mask, box))),
    box: toSource(box, scale),
  };
}

function boundingBox({ width, height, data }) {
  let left = width, top = height, right = -1, bottom = -1;
  data.forEach((value, n) => {
    if (!value) return;
    const x = n % width, y = (n - x) / width;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  });
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

function toSource({ left, top, width, height }, scale) {
  const [x, y, across, down] = [left, top, width, height].map((side) => roundEven(side / scale));
  return [x, y, Math.max(1, across), Math.max(1, down)];
}

/** Scale the ink so that its longer side is 20 pixels; thin strokes stay visible. */
function shrink(ink, mask) {
  const scale = INK_SIDE / Math.max(ink.width, ink.height);
  const [width, height] = [ink.width, ink.height].map((n) => Math.max(1, roundEven(n * scale)));
  const thick = thickened(ink, MIN_STROKE / scale - strokeWidth(mask));
  return scale < 1 ? shrunk(thick, width, height) : stretched(thick, width, height);
}

/** The mean width of the strokes in a mask: twice area by outline, a staircase's being longer. */
function strokeWidth({ width, height, data }) {
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : data[y * width + x]);
  let area = 0, edge = 0;
  for (let y = 0; y <= height; y += 1) {
    for (let x = 0; x <= width; x += 1) {
      area += at(x, y);
      edge += Number(at(x, y) !== at(x - 1, y)) + Number(at(x, y) !== at(x, y - 1));
    }
  }
  return (2 * area) / Math.max(1, (edge * Math.PI) / 4);
}

function thickened(ink, by) {
  const side = 1 + roundEven(by);
  return side < 2 ? ink : dilated(ink, ellipse(side));
}

/** Put the ink's centre of mass on pixel (14, 14) of an empty picture, as near as it fits. */
function centred({ width, height, data }) {
  const total = data.reduce((sum, value) => sum + value, 0) || 1;
  const across = data.reduce((sum, value, n) => sum + value * (n % width), 0) / total;
  const down = data.reduce((sum, value, n) => sum + value * Math.floor(n / width), 0) / total;
  const left = placeOf(across, width), top = placeOf(down, height);
  const image = new Uint8Array(SIDE * SIDE);
  const levels = mapped({ width, height, data }, (value) => roundEven(255 * value));
  levels.data.forEach((level, n) => {
    image[(top + Math.floor(n / width)) * SIDE + left + (n % width)] = level;
  });
  return image;
}

function placeOf(centre, length) {
  return Math.min(Math.max(0, roundEven(SIDE / 2 - centre)), SIDE - length);
}
