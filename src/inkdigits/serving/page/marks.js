// Boxes around what was read.
const COLOURS = { ok: "#1f5fae", doubted: "#b3303c" };

/** Draw a box around each number and digit; `named`: with what was read above it. */
export function drawMarks(pen, numbers, named) {
  const unit = Math.max(1, pen.canvas.width / 480);
  for (const number of numbers) {
    const colour = number.reason ? COLOURS.doubted : COLOURS.ok;
    pen.strokeStyle = pen.fillStyle = colour;
    pen.globalAlpha = 0.35;
    pen.lineWidth = unit;
    if (number.digits.length > 1) {
      for (const { box } of number.digits) outline(pen, box, 0, 3 * unit);
    }
    pen.globalAlpha = 0.9;
    pen.lineWidth = 1.6 * unit;
    outline(pen, number.box, 6 * unit, 6 * unit);
    if (named) nameTag(pen, number, unit);
  }
  pen.globalAlpha = 1;
}

function outline(pen, [left, top, width, height], margin, corner) {
  pen.beginPath();
  pen.roundRect(left - margin, top - margin, width + 2 * margin, height + 2 * margin, corner);
  pen.stroke();
}

/** What was read, on a tag above the box, or below it where there is no room. */
function nameTag(pen, { text, box: [left, top, , height] }, unit) {
  const size = 13 * unit;
  pen.font = `600 ${size}px system-ui, sans-serif`;
  const width = pen.measureText(text).width + size, high = 1.5 * size;
  const x = Math.max(0, Math.min(left - 5 * unit, pen.canvas.width - width));
  const above = top - 8 * unit - high;
  const y = above >= 0 ? above : Math.min(top + height + 8 * unit, pen.canvas.height - high);
  pen.beginPath();
  pen.roundRect(x, y, width, high, size / 3);
  pen.fill();
  pen.fillStyle = "#ffffff";
  pen.textBaseline = "middle";
  pen.fillText(text, x + size / 2, y + high / 2);
}
