// Draws feature maps: what is positive in one colour, what is negative in another.
"use strict";

// Name, the layer whose maps it has, their side, how many stand in a row of LeNet-5's own number.
const SHEETS = {
  C1: ["C1", 28, 3],
  S2: ["C1", 14, 3],
  C3: ["C3", 10, 4],
  S4: ["C3", 5, 4],
  C5: ["C5", 1, 12],
  F6: ["F6", 1, 7],
};

function colours() {
  const style = getComputedStyle(document.documentElement);
  const rgb = (name) =>
    style
      .getPropertyValue(name)
      .trim()
      .match(/[0-9a-f]{2}/gi)
      .map((part) => parseInt(part, 16));
  return { positive: rgb("--ink"), negative: rgb("--cold"), zero: rgb("--cell") };
}

function paintPicture(canvas, pixels) {
  const image = new ImageData(28, 28);
  const { positive, zero } = colours();
  pixels.forEach((pixel, i) => blend(image.data, i, zero, positive, pixel / 255));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Of a network that is `wide` times as wide; `values` may be missing: then the sheet is blank.
function paintMaps(canvas, name, maps, wide, values) {
  const [, side, few] = SHEETS[name];
  let across = Math.ceil(few * Math.sqrt(wide));
  while (maps % across) across++;
  const gap = side > 1 ? Math.max(1, Math.round(side / 12)) : 0;
  const width = across * (side + gap) - gap;
  const height = (maps / across) * (side + gap) - gap;
  if (canvas.width !== width) [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  const { positive, negative, zero } = colours();
  for (let m = 0; m < maps; m++) {
    // Each map of a convolution has its own scale; the units of C5 and F6 share one.
    const range = side > 1 ? [m * side * side, (m + 1) * side * side] : [0, maps];
    const most = values ? values.subarray(...range).reduce((a, x) => Math.max(a, Math.abs(x)), 1e-6) : 1;
    for (let i = 0; i < side * side; i++) {
      const value = values ? values[m * side * side + i] / most : 0;
      const row = Math.floor(m / across) * (side + gap) + Math.floor(i / side);
      const column = (m % across) * (side + gap) + (i % side);
      blend(image.data, row * width + column, zero, value < 0 ? negative : positive, Math.abs(value));
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function blend(data, i, from, to, share) {
  for (let c = 0; c < 3; c++) data[4 * i + c] = from[c] + (to[c] - from[c]) * share;
  data[4 * i + 3] = 255;
}
