// What OpenCV does to pixels, as far as framing a digit needs it, by the same rules.
// A plane is { width, height, data }: rows from the top, in a typed array.

export function planeOf(width, height, data = new Float32Array(width * height)) {
  return { width, height, data };
}

/** The nearest whole number, halves to the even one, as Python and NumPy round. */
export function roundEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** A new plane of the same size, `change` applied to each value and its index. */
export function mapped(plane, change, Kind = Float32Array) {
  const data = new Kind(plane.data.length);
  for (let n = 0; n < data.length; n += 1) data[n] = change(plane.data[n], n);
  return planeOf(plane.width, plane.height, data);
}

/** The part of a plane within { left, top, width, height }. */
export function cropped(plane, { left, top, width, height }) {
  const data = new plane.data.constructor(width * height);
  for (let y = 0; y < height; y += 1) {
    const start = (top + y) * plane.width + left;
    data.set(plane.data.subarray(start, start + width), y * width);
  }
  return planeOf(width, height, data);
}

export function medianOf(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** The values below which these shares of `values` lie, interpolated as NumPy does. */
export function quantilesOf(values, ...shares) {
  const sorted = values.slice().sort();
  return shares.map((share) => {
    const place = share * (sorted.length - 1);
    const low = Math.floor(place);
    const next = sorted[Math.min(low + 1, sorted.length - 1)];
    return sorted[low] + (place - low) * (next - sorted[low]);
  });
}

// Resizing: each target pixel is a weighted sum of source pixels, along one axis and the other.

/** INTER_AREA along one axis that becomes shorter: [first source pixel, weights] of each target. */
function areaTaps(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, n) => {
    const start = n * scale, end = Math.min(start + scale, from);
    const first = Math.floor(start + 1e-3), last = Math.min(Math.ceil(end - 1e-3), from);
    const weights = [];
    for (let at = first; at < last; at += 1) {
      weights.push((Math.min(at + 1, end) - Math.max(at, start)) / (end - start));
    }
    return [first, weights];
  });
}

/** INTER_LINEAR along one axis. */
function linearTaps(from, to) {
  return Array.from({ length: to }, (_, n) => {
    const place = Math.min(Math.max(0, ((n + 0.5) * from) / to - 0.5), from - 1);
    const first = Math.floor(place);
    return first === from - 1 ? [first, [1]] : [first, [1 - place + first, place - first]];
  });
}

function resampled(plane, width, height, taps) {
  const across = taps(plane.width, width), down = taps(plane.height, height);
  const data = new Float32Array(width * height);
  const row = new Float64Array(plane.width);
  down.forEach(([top, weights], y) => {
    row.fill(0);
    weights.forEach((weight, n) => {
      const start = (top + n) * plane.width;
      for (let x = 0; x < plane.width; x += 1) row[x] += weight * plane.data[start + x];
    });
    across.forEach(([left, shares], x) => {
      let sum = 0;
      for (let n = 0; n < shares.length; n += 1) sum += shares[n] * row[left + n];
      data[y * width + x] = sum;
    });
  });
  return planeOf(width, height, data);
}

export const shrunk = (plane, width, height) => resampled(plane, width, height, areaTaps);
export const stretched = (plane, width, height) => resampled(plane, width, height, linearTaps);

// Smoothing: a symmetric kernel along both axes, the border mirrored without its own pixel.

function mirrored(place, length) {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const within = ((place % period) + period) % period;
  return within < length ? within : period - within;
}

function smoothed(plane, kernel) {
  const { width, height, data } = plane;
  const half = kernel.length >> 1;
  const between = new Float32Array(data.length), done = new Float32Array(data.length);
  const line = new Float32Array(width + 2 * half);
  for (let y = 0; y < height; y += 1) {
    for (let x = -half; x < width + half; x += 1) {
      line[x + half] = data[y * width + mirrored(x, width)];
    }
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      for (let n = 0; n < kernel.length; n += 1) sum += kernel[n] * line[x + n];
      between[y * width + x] = sum;
    }
  }
  for (let y = 0; y < height; y += 1) {
    for (let n = 0; n < kernel.length; n += 1) {
      const start = mirrored(y + n - half, height) * width;
      for (let x = 0; x < width; x += 1) done[y * width + x] += kernel[n] * between[start + x];
    }
  }
  return planeOf(width, height, done);
}

export const boxed = (plane, side) => smoothed(plane, new Array(side).fill(1 / side));

export function blurred(plane, sigma) {
  const half = (roundEven(sigma * 8 + 1) | 1) >> 1;
  const kernel = [];
  for (let n = -half; n <= half; n += 1) kernel.push(Math.exp((-n * n) / (2 * sigma * sigma)));
  const sum = kernel.reduce((one, other) => one + other);
  return smoothed(plane, kernel.map((value) => value / sum));
}

// Shapes: what lies outside of the plane counts for nothing.

/** The offsets [dx, dy] of a filled ellipse, as getStructuringElement(MORPH_ELLIPSE) makes it. */
export function ellipse(side) {
  const radius = side >> 1;
  const places = [];
  for (let dy = -radius; dy < side - radius; dy += 1) {
    if (Math.abs(dy) > radius) continue;
    const reach = radius ? roundEven(Math.sqrt(radius * radius - dy * dy)) : 0;
    for (let dx = -reach; dx <= Math.min(reach, side - radius - 1); dx += 1) places.push([dx, dy]);
  }
  return places;
}

/** The largest value under an element laid on each pixel. */
export function dilated({ width, height, data }, places) {
  const done = new Float32Array(data.length).fill(-Infinity);
  for (const [dx, dy] of places) {
    const left = Math.max(0, -dx), right = Math.min(width, width - dx);
    for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y += 1) {
      const own = y * width, other = (y + dy) * width + dx;
      for (let x = left; x < right; x += 1) {
        if (data[other + x] > done[own + x]) done[own + x] = data[other + x];
      }
    }
  }
  return planeOf(width, height, done);
}

/** Dark gaps that the element does not fit into are filled. */
export function closed(plane, places) {
  const negative = (one) => mapped(one, (value) => -value);
  return negative(dilated(negative(dilated(plane, places)), places));
}

/**
 * The parts of a mask that hang together, corners included.
 * `labels` counts them from 1; `parts[label]` is { left, top, width, height, area }.
 */
export function componentsOf({ width, height, data }) {
  const labels = new Int32Array(data.length);
  const parts = [null];
  const stack = new Int32Array(data.length);
  for (let start = 0; start < data.length; start += 1) {
    if (!data[start] || labels[start]) continue;
    parts.push(fill(start, parts.length));
  }
  return { labels, parts };

  function fill(start, label) {
    let left = width, top = height, right = 0, bottom = 0, area = 0, waiting = 1;
    stack[0] = start;
    labels[start] = label;
    while (waiting) {
      const at = stack[(waiting -= 1)];
      const x = at % width, y = (at - x) / width;
      area += 1;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v += 1) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u += 1) {
          const next = v * width + u;
          if (!data[next] || labels[next]) continue;
          labels[next] = label;
          stack[waiting] = next;
          waiting += 1;
        }
      }
    }
    return { left, top, width: right - left + 1, height: bottom - top + 1, area };
  }
}
