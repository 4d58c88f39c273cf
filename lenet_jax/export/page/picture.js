// From strokes to the picture that the network sees, made as MNIST's were: the ink fits a box of
// 20x20 and its centre of mass is the centre of 28x28. Strokes are inked anew at that size with a
// pen as wide as MNIST's (2.5 pixels is the median there), so that a small drawing is no blot.
"use strict";

const SIDE = 28;
const BOX = 20;
const PEN = 2.5;
const FINE = 4; // Subpixels per pixel and axis.
const LEAST = 0.12; // Of the canvas: what is smaller is not blown up to a whole box.

// Strokes are arrays of points [x, y] in 0..1; the result is 784 grey values, 255 is ink.
function pictureOf(strokes) {
  const points = strokes.flat();
  if (!points.length) return new Uint8Array(SIDE * SIDE);
  const [left, right] = extent(points.map(([x]) => x));
  const [top, bottom] = extent(points.map(([, y]) => y));
  const scale = (BOX - PEN) / Math.max(right - left, bottom - top, LEAST);
  const middle = [(left + right) / 2, (top + bottom) / 2];
  const placed = strokes.map((stroke) =>
    stroke.map(([x, y]) => [(x - middle[0]) * scale + SIDE / 2, (y - middle[1]) * scale + SIDE / 2]),
  );
  const [dx, dy] = centreOfMass(inked(placed)).map((x) => SIDE / 2 + 0.5 - x);
  // Ink is not pushed over the edge for the sake of its centre.
  const [x0, x1] = extent(placed.flat().map(([x]) => x));
  const [y0, y1] = extent(placed.flat().map(([, y]) => y));
  const stay = (d, low, high) => Math.max(PEN / 2 - low, Math.min(SIDE - PEN / 2 - high, d));
  const shift = [stay(dx, x0, x1), stay(dy, y0, y1)];
  return shrunk(inked(placed.map((stroke) => stroke.map(([x, y]) => [x + shift[0], y + shift[1]]))));
}

function extent(values) {
  return values.reduce(([low, high], x) => [Math.min(low, x), Math.max(high, x)], [Infinity, -Infinity]);
}

// 1 where a subpixel's centre lies under the pen.
function inked(strokes) {
  const size = SIDE * FINE;
  const ink = new Uint8Array(size * size);
  const radius = (PEN / 2) * FINE;
  for (const stroke of strokes)
    for (let i = 0; i < stroke.length; i++) {
      const [ax, ay] = stroke[Math.max(0, i - 1)].map((x) => x * FINE);
      const [bx, by] = stroke[i].map((x) => x * FINE);
      const length2 = (bx - ax) ** 2 + (by - ay) ** 2;
      const low = (a, b) => Math.max(0, Math.floor(Math.min(a, b) - radius));
      const high = (a, b) => Math.min(size - 1, Math.ceil(Math.max(a, b) + radius));
      for (let y = low(ay, by); y <= high(ay, by); y++)
        for (let x = low(ax, bx); x <= high(ax, bx); x++) {
          const px = x + 0.5 - ax;
          const py = y + 0.5 - ay;
          const along = length2 ? Math.max(0, Math.min(1, (px * (bx - ax) + py * (by - ay)) / length2)) : 0;
          const gap2 = (px - along * (bx - ax)) ** 2 + (py - along * (by - ay)) ** 2;
          if (gap2 <= radius * radius) ink[y * size + x] = 1;
        }
    }
  return ink;
}

function centreOfMass(ink) {
  const size = SIDE * FINE;
  let [mass, x, y] = [0, 0, 0];
  ink.forEach((on, i) => {
    mass += on;
    x += on * ((i % size) + 0.5);
    y += on * (Math.floor(i / size) + 0.5);
  });
  return [x / mass / FINE, y / mass / FINE];
}

function shrunk(ink) {
  const counts = new Uint16Array(SIDE * SIDE);
  const size = SIDE * FINE;
  ink.forEach((on, i) => {
    counts[Math.floor(i / size / FINE) * SIDE + Math.floor((i % size) / FINE)] += on;
  });
  return Uint8Array.from(counts, (count) => Math.round((255 * count) / (FINE * FINE)));
}
