// Draws feature maps: what is positive in one colour, what is negative in another.
"use strict";

// What is shown of a network, in the order that digits go through it: { name, maps, side, told }.
function sheetsOf({ layers }) {
  const sheets = [];
  for (const { name, outputs: maps, width, stride, made: side, averaged } of layers.slice(0, -1)) {
    const filters = `${maps} filters, ${width}\u00d7${width}${stride > 1 ? `, stride ${stride}` : ""}`;
    sheets.push({ name, maps, side, told: side === 1 ? `${maps} units` : filters });
    if (averaged) sheets.push({ name: averaged, maps, side: side / 2, told: "averages, 2\u00d72" });
  }
  return sheets.map((sheet) => ({ ...sheet, ...sizeOf(sheet) }));
}

// How many maps or units stand in a row, and the pixels of all. As square as their number allows;
// the units at the end stand upright.
function sizeOf({ name, maps, side }) {
  const upright = name[0] === "F";
  let across = Math.sqrt(maps);
  across = upright ? Math.floor(across) : Math.ceil(across);
  while (maps % across) across += upright ? -1 : 1;
  const gap = side > 1 ? Math.max(1, Math.round(side / 12)) : 0;
  return { across, gap, width: across * (side + gap) - gap, height: (maps / across) * (side + gap) - gap };
}

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

// `values` may be missing: then the sheet is blank.
function paintMaps(canvas, { maps, side, across, gap, width, height }, values) {
  if (canvas.width !== width) [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  const { positive, negative, zero } = colours();
  for (let m = 0; m < maps; m++) {
    // Each map of a convolution has its own scale; units share one.
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
