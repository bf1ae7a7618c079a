// A grey picture becomes a map of its ink: imaging/clean.py, as far as a drawing needs it.
// Left out is what only paper has: printed lines.
import {
  blurred, boxed, closed, componentsOf, dilated, ellipse, mapped, medianOf, planeOf, quantilesOf,
  roundEven, shrunk, stretched,
} from "./pixels.js";
import { isStep } from "./step.js";

const WORKING_SIDE = 1000;
const QUICK_SIDE = 100;
const LEAST_DIGIT = 40;
const GROUND_SIDE = 40;
const DOUBT = 1;
const DARKEST = 64;
const STROKE_SHARE = 0.3;
const MIN_CONTRAST = 0.06;
const MAX_NOISE = 0.05;
const MIN_SIZE = 0.015;
const MAX_SPOT = 0.05;
const MIN_SHARE = 0.2;
const EVEN = 1.1;
const NEAR = 0.5;
const BORDER_BAND = 0.1;
const MARGIN = 0.06;
const SQUARE = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => [dx, dy]));

/**
 * Find the ink of one digit on a grey plane, 0–255, of any size and either polarity.
 * `scale` is working pixels a source pixel, `mask` is 1 on the ink kept, `ink` its strength 0–1.
 */
export function clean(page) {
  const quick = cleanAt(QUICK_SIDE, page);
  if (quick.scale === 1 || largestPart(quick.mask) >= LEAST_DIGIT) return quick;
  return cleanAt(WORKING_SIDE, page);
}

function cleanAt(side, page) {
  const { grey, scale } = atMost(side, page);
  const light = findLight(grey);
  const dark = light.flipped ? mapped(grey, (value) => 255 - value) : grey;
  const ground = groundLight(dark, light);
  const depth = mapped(dark, (value, n) => (
    (ground.data[n] - value) / Math.max(ground.data[n], DARKEST)
  ));
  const found = findInk(groundLevel(depth));
  const contrast = mapped(dark, (value, n) => ground.data[n] - value);
  const mask = keepDigit(found.mask, found.strength, { dark, contrast });
  const soft = dilated(mask, SQUARE);
  const ink = mapped(found.strength, (value, n) => (soft.data[n] ? value : 0));
  return { scale, mask, ink };
}

/** A plane with its longer side at most `side`, in whole levels, and its scale. */
function atMost(side, page) {
  const longer = Math.max(page.width, page.height);
  if (longer <= side) return { grey: page, scale: 1 };
  const scale = side / longer;
  const [width, height] = [page.width, page.height].map((n) => Math.max(1, roundEven(n * scale)));
  const times = Math.floor(longer / side);
  const coarse = times > 1 && page.width % times === 0 && page.height % times === 0
    ? wholeShrunk(page, page.width / times, page.height / times) : page;
  return { grey: wholeShrunk(coarse, width, height), scale };
}

const wholeShrunk = (page, width, height) => mapped(shrunk(page, width, height), roundEven);

/** The longer side of the largest connected part of a mask. */
const largestPart = (mask) => componentsOf(mask).parts.reduce(
  (longest, part) => (part ? Math.max(longest, part.width, part.height) : longest), 0,
);

/** Tell dark ink from light: `flipped` for light ink; `values` is a small copy, ink dark. */
function findLight(grey) {
  const small = atMost(GROUND_SIDE, grey).grey;
  const surface = smoothSurface(small, 2);
  const residual = inner(mapped(small, (value, n) => value - surface.data[n]), MARGIN);
  const mean = meanOf(residual.data);
  const spread = Math.sqrt(meanOf(residual.data.map((value) => (value - mean) ** 2)));
  const skewness = spread ? meanOf(residual.data.map((value) => (value / spread) ** 3)) : 0;
  const lean = spread ? (medianOf(borderOf(residual)) - mean) / spread : 0;
  const flipped = skewness - 2 * lean > DOUBT;
  if (!flipped) return { flipped, values: small, surface };
  const other = (plane) => mapped(plane, (value) => 255 - value);
  return { flipped, values: other(small), surface: other(surface) };
}

const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function inner({ width, height, data }, margin) {
  const left = Math.floor(margin * width), top = Math.floor(margin * height);
  const done = planeOf(width - 2 * left, height - 2 * top);
  for (let y = 0; y < done.height; y += 1) {
    const start = (top + y) * width + left;
    done.data.set(data.subarray(start, start + done.width), y * done.width);
  }
  return done;
}

function borderOf({ width, height, data }) {
  const values = [...data.subarray(0, width), ...data.subarray((height - 1) * width)];
  for (let y = 0; y < height; y += 1) values.push(data[y * width], data[(y + 1) * width - 1]);
  return values;
}

/** Fit a surface of that degree to the light of a plane, hardly heeding outliers. */
function smoothSurface(plane, degree) {
  const places = placesOf(plane, 2);
  const terms = surfaceTerms(plane, degree, places);
  const data = Float64Array.from(places, (n) => plane.data[n]);
  let fit = new Float64Array(data.length).fill(medianOf(data));
  let factors = [];
  for (let turn = 0; turn < 3; turn += 1) {
    const error = fit.map((value, n) => Math.abs(data[n] - value));
    const usual = medianOf(error) + 4;
    const weights = error.map((value) => 1 / ((value / usual) ** 2 + 1));
    factors = solved(...weightedSums(terms, weights, data));
    fit = surfaceOf(factors, terms);
  }
  const everywhere = surfaceTerms(plane, degree, placesOf(plane, 1));
  return planeOf(plane.width, plane.height, Float32Array.from(surfaceOf(factors, everywhere)));
}

const surfaceOf = (factors, terms) => terms[0].map((_, n) => (
  terms.reduce((sum, term, k) => sum + factors[k] * term[n], 0)
));

/** Where each `step`-th pixel both ways stands in a plane's data. */
function placesOf({ width, height }, step) {
  const places = [];
  for (let y = 0; y < height; y += step) {
    for (let x = 0; x < width; x += step) places.push(y * width + x);
  }
  return places;
}

function surfaceTerms({ width, height }, degree, places) {
  const terms = [];
  for (let i = 0; i <= degree; i += 1) {
    for (let j = 0; i + j <= degree; j += 1) {
      terms.push(Float64Array.from(places, (n) => (
        ((2 * (n % width)) / width - 1) ** i * ((2 * Math.floor(n / width)) / height - 1) ** j
      )));
    }
  }
  return terms;
}

/** The matrix and right side of a weighted fit; a small ridge keeps it solvable. */
function weightedSums(terms, weights, data) {
  const sum = (one, other) => one.reduce((all, value, n) => all + weights[n] * value * other[n], 0);
  const matrix = terms.map((one, k) => (
    terms.map((other, m) => sum(one, other) + (k === m ? 1e-6 : 0))
  ));
  return [matrix, terms.map((term) => sum(term, data))];
}

/** Solve a symmetric positive linear system by elimination. */
function solved(matrix, right) {
  const rows = matrix.map((row, n) => [...row, right[n]]);
  rows.forEach((pivot, n) => {
    for (const row of rows) {
      if (row === pivot) continue;
      const factor = row[n] / pivot[n];
      for (let k = n; k < row.length; k += 1) row[k] -= factor * pivot[k];
    }
  });
  return rows.map((row, n) => row[rows.length] / row[n]);
}

/** The light of the ground at each pixel, as if there were no ink. */
function groundLight(grey, { values, surface }) {
  const bright = (light) => mapped(light, (value) => Math.max(value, 8));
  const curved = [smoothSurface(values, 1), surface].map(bright);
  const grounds = [mapped(values, () => 1), ...curved].map((one) => closedGround(values, one).data);
  const darkest = mapped(values, (_, n) => Math.min(...grounds.map((ground) => ground[n])));
  return stretched(darkest, grey.width, grey.height);
}

function closedGround(values, surface) {
  const light = surface.data;
  const side = Math.max(3, roundEven(STROKE_SHARE * Math.max(values.width, values.height)) | 1);
  const even = mapped(values, (value, n) => value / light[n]);
  const smooth = boxed(closed(even, ellipse(side)), (side >> 2) | 1);
  return mapped(smooth, (value, n) => value * light[n]);
}

/** How deep the ink is, without single pixels' noise, and where the ground itself lies. */
function groundLevel(depth) {
  const sigma = Math.min(Math.max(0.4, Math.max(depth.width, depth.height) / 70), 1);
  const smooth = blurred(depth, sigma);
  const [pale, middle] = quantilesOf(smooth.data, 0.05, 0.3);
  const noise = Math.min((middle - pale) / 1.12, MAX_NOISE);
  return { depth, smooth, centre: middle + 0.52 * noise, noise };
}

/** The mask of what is ink by depth alone, and the ink's strength, 0–1. */
function findInk({ depth, smooth, centre, noise }) {
  const floor = Math.max(MIN_CONTRAST, centre + 6 * noise);
  const candidates = smooth.data.filter((value) => value > floor);
  if (!candidates.length) {
    return { mask: mapped(depth, () => 0, Uint8Array), strength: mapped(depth, () => 0) };
  }
  const [full] = quantilesOf(candidates, 0.9);
  const strength = mapped(depth, (value) => (
    Math.min(Math.max((value - centre) / (full - centre), 0), 1)
  ));
  const mask = hysteresis(smooth, Math.max(floor, 0.25 * full), Math.max(floor, 0.5 * full));
  return { mask, strength };
}

/** 1 where values exceed `low` and hang together with a place that exceeds `high`. */
function hysteresis(values, low, high) {
  const faint = mapped(values, (value) => Number(value > low), Uint8Array);
  const { labels, parts } = componentsOf(faint);
  const strong = new Uint8Array(parts.length);
  values.data.forEach((value, n) => { if (value > high) strong[labels[n]] = 1; });
  strong[0] = 0;
  return mapped(values, (_, n) => strong[labels[n]], Uint8Array);
}

/** The mask without specks, marks along the border, and what is far from the part of most ink. */
function keepDigit(mask, strength, page) {
  const { labels, parts } = componentsOf(mask);
  const mass = new Float64Array(parts.length);
  strength.data.forEach((value, n) => { if (labels[n]) mass[labels[n]] += value; });
  for (const label of strayMarks(mask, labels, parts, mass)) mass[label] = 0;
  const main = mainPart(planeOf(mask.width, mask.height, labels), parts, mass, page);
  if (!main) return mapped(mask, () => 0, Uint8Array);
  const reach = NEAR * Math.max(parts[main].width, parts[main].height);
  const kept = mass.map((value, label) => (
    label && value > 0.03 * mass[main]
      && (value > 0.5 * mass[main] || gap(parts[label], parts[main]) <= reach) ? 1 : 0
  ));
  return mapped(mask, (_, n) => kept[labels[n]], Uint8Array);
}

/** The part of most ink that may be a digit, 0 when none may; steps in the light lose theirs. */
function mainPart(labels, parts, mass, page) {
  const longer = Math.max(labels.width, labels.height);
  const even = isEvenlyLit(page);
  const likely = mass.map((value, label) => (label && !isSpeck(parts[label], longer) ? value : 0));
  for (let turn = 0; turn < 3; turn += 1) {
    const main = largest(likely);
    const all = likely.reduce((sum, value) => sum + value, 0);
    if (!main || likely[main] < MIN_SHARE * all) return 0;
    if (even || !isStep(labels, parts[main], main, page)) return main;
    mass[main] = likely[main] = 0;
  }
  return 0;
}

function isEvenlyLit({ dark, contrast }) {
  const ground = mapped(dark, (value, n) => value + contrast.data[n]).data;
  const darkest = ground.reduce((one, other) => Math.min(one, other));
  return ground.reduce((one, other) => Math.max(one, other)) < EVEN * darkest;
}

const largest = (values) => values.reduce((best, value, n) => (value > values[best] ? n : best), 0);

function isSpeck({ width, height, area }, side) {
  const longer = Math.max(width, height);
  if (longer < Math.max(3, MIN_SIZE * side)) return true;
  const blob = area > 0.6 * width * height && Math.min(width, height) > 0.6 * longer;
  return blob && longer < MAX_SPOT * side;
}

function gap(one, main) {
  const across = Math.max(main.left - one.left - one.width, one.left - main.left - main.width);
  const down = Math.max(main.top - one.top - one.height, one.top - main.top - main.height);
  return Math.max(across, down, 0);
}

/** The labels of lines and shadows along the border. */
function strayMarks(page, labels, parts, mass) {
  const within = new Float64Array(parts.length);
  const inside = inner(planeOf(page.width, page.height, labels), BORDER_BAND);
  inside.data.forEach((label) => { within[label] += 1; });
  const places = parts.map((part) => part && borderPlace(part, page));
  const hugs = (label) => {
    const { touching, across, along } = places[label];
    return (touching && within[label] / parts[label].area < 0.2) || across || along;
  };
  const all = [...parts.keys()].slice(1);
  const hugging = all.filter(hugs);
  const main = largest(mass.map((value, label) => (hugging.includes(label) ? 0 : value)));
  if (!main) return loneMarks(hugging, places, parts);
  const long = ({ width, height }) => width > 0.5 * page.width || height > 0.5 * page.height;
  return hugging.filter((label) => long(parts[label]) || !places[main].touching);
}

function borderPlace({ left, top, width, height }, page) {
  const right = left + width === page.width, bottom = top + height === page.height;
  return {
    touching: left === 0 || top === 0 || right || bottom,
    across: left === 0 && right && height < BORDER_BAND * page.height,
    along: top === 0 && bottom && width < BORDER_BAND * page.width,
  };
}

/** Of marks without other ink, a single upright from top to bottom stays: it may be a 1. */
function loneMarks(hugging, places, parts) {
  const uprights = hugging.filter((label) => (
    places[label].along && parts[label].left > 0 && parts[label].height > 3 * parts[label].width
  ));
  return uprights.length === 1 ? hugging.filter((label) => label !== uprights[0]) : hugging;
}
