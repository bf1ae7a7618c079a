// A step in the light, as at a shadow's edge, told from a stroke: is_step of imaging/clean.py.
import { closed, cropped, ellipse, mapped, planeOf, roundEven, shrunk } from "./pixels.js";

const STEP = 0.4;

/**
 * Tell whether a part is one side of a step: a closing wider than the part would fill a stroke.
 * `labels` is a plane, `dark` the page with dark ink, `contrast` how far it lies below its ground.
 */
export function isStep(labels, part, label, { dark, contrast }) {
  const thickness = 2 * deepest(mapped(cropped(labels, part), (value) => value === label));
  const around = grown(part, roundEven(2 * thickness) + 4, labels);
  const scale = Math.min(1, 6 / thickness);
  const small = (plane) => shrunk(
    cropped(plane, around),
    Math.max(1, roundEven(around.width * scale)), Math.max(1, roundEven(around.height * scale)),
  );
  const [grey, depth] = [dark, contrast].map(small);
  const inside = small(mapped(labels, (value) => Number(value === label)));
  const filled = closed(grey, ellipse(roundEven(1.6 * thickness * scale) + 3));
  let gained = 0, there = 0;
  inside.data.forEach((share, n) => {
    gained += share * (filled.data[n] - grey.data[n]);
    there += share * depth.data[n];
  });
  return gained < STEP * there;
}

function grown({ left, top, width, height }, margin, plane) {
  const [right, bottom] = [left + width + margin, top + height + margin];
  const [x, y] = [Math.max(0, left - margin), Math.max(0, top - margin)];
  return {
    left: x,
    top: y,
    width: Math.min(plane.width, right) - x,
    height: Math.min(plane.height, bottom) - y,
  };
}

/** How far the innermost pixel of a mask is from what is outside, as OpenCV's 3×3 steps measure. */
function deepest(mask) {
  const [straight, slanting] = [0.955, 1.3693];
  const width = mask.width + 2, height = mask.height + 2;
  const { data } = planeOf(width, height);
  mask.data.forEach((inside, n) => {
    const y = Math.floor(n / mask.width);
    if (inside) data[(y + 1) * width + (n - y * mask.width) + 1] = Infinity;
  });
  const pass = (at, row, column) => {
    if (!data[at]) return;
    data[at] = Math.min(
      data[at], data[at + column] + straight, data[at + row] + straight,
      data[at + row - 1] + slanting, data[at + row + 1] + slanting,
    );
  };
  for (let at = width; at < data.length - width; at += 1) pass(at, -width, -1);
  for (let at = data.length - width - 1; at >= width; at -= 1) pass(at, width, 1);
  return data.reduce((most, value) => Math.max(most, value), 0);
}
