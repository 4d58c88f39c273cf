// The page: pen, keyboard, answer.
"use strict";

const description = JSON.parse(document.getElementById("network").textContent);
const network = makeNetwork(description);
const byId = (id) => document.getElementById(id);
const pad = byId("pad");
const sheets = sheetsOf(description);
const still = matchMedia("(prefers-reduced-motion: reduce)");

let strokes = [];
const drawing = new Map(); // pointerId -> the stroke that it draws
const keyboard = { x: 0.5, y: 0.2, down: false, shown: false };
let frame = 0;
let playing = 0;

function percent(p) {
  return p > 0.9995 && p < 1 ? "99.9%" : `${(100 * p).toFixed(1)}%`;
}

// What a drawing is, in words: read out, and shown below the digit.
function inWords(probabilities) {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = order;
  const sure = probabilities[first] > 0.9 ? "It is a" : probabilities[first] > 0.6 ? "It looks like a" : "Perhaps a";
  const eight = first === 8 ? "n" : "";
  const or = probabilities[second] > 0.02 ? `, or a${second === 8 ? "n" : ""} ${second} (${percent(probabilities[second])})` : "";
  return `${sure}${eight} ${first} (${percent(probabilities[first])})${or}.`;
}

function inkPad() {
  const context = pad.getContext("2d");
  const size = pad.width;
  context.clearRect(0, 0, size, size);
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = size * 0.075;
  context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--ink");
  for (const stroke of strokes) {
    context.beginPath();
    stroke.forEach(([x, y], i) => (i ? context.lineTo(x * size, y * size) : context.moveTo(x * size, y * size)));
    if (stroke.length === 1) context.lineTo(stroke[0][0] * size + 0.01, stroke[0][1] * size);
    context.stroke();
  }
  if (keyboard.shown && document.activeElement === pad) {
    context.beginPath();
    context.lineWidth = size * 0.008;
    context.arc(keyboard.x * size, keyboard.y * size, size * (keyboard.down ? 0.03 : 0.05), 0, 7);
    context.stroke();
  }
}

function show() {
  frame = 0;
  inkPad();
  const empty = !strokes.length;
  document.body.classList.toggle("empty", empty);
  const pixels = pictureOf(strokes);
  paintPicture(byId("seen"), pixels);
  const { probabilities, maps } = empty ? { probabilities: Array(10).fill(0), maps: {} } : network(pixels);
  for (const sheet of sheets) paintMaps(byId(sheet.name), sheet, maps[sheet.name]);
  const best = probabilities.indexOf(Math.max(...probabilities));
  byId("digit").textContent = empty ? "?" : String(best);
  // On a narrow screen the bars are below the pad and out of sight.
  byId("paper").dataset.answer = empty ? "" : `${best} \u00b7 ${percent(probabilities[best])}`;
  for (const bar of document.querySelectorAll("#bars li")) {
    const p = probabilities[Number(bar.dataset.digit)];
    bar.style.setProperty("--p", p);
    bar.classList.toggle("best", !empty && Number(bar.dataset.digit) === best);
    bar.querySelector("b").textContent = empty ? "" : percent(p);
  }
  byId("words").textContent = empty ? "Draw a digit from 0 to 9." : inWords(probabilities);
}

function soon() {
  if (!frame) frame = requestAnimationFrame(show);
}

// Read out only once a stroke has ended: every movement would be too much.
function tellEnd() {
  byId("live").textContent = strokes.length ? inWords(network(pictureOf(strokes)).probabilities) : "The pad is empty.";
  if (still.matches || !strokes.length) return;
  const flow = byId("flow");
  flow.classList.remove("wave");
  void flow.offsetWidth; // Starts the animation anew.
  flow.classList.add("wave");
}

function change(next) {
  playing++;
  keyboard.down = false;
  strokes = next;
  soon();
  tellEnd();
}

const clear = () => change([]);
const undo = () => change(strokes.slice(0, -1));

function place(event) {
  const box = pad.getBoundingClientRect();
  const inside = (x) => Math.max(0, Math.min(1, x));
  return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
}

pad.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  event.preventDefault();
  playing++;
  keyboard.shown = keyboard.down = false;
  document.body.classList.remove("keyboard");
  document.body.classList.toggle("finger", event.pointerType === "touch");
  pad.focus({ preventScroll: true, focusVisible: false });
  pad.setPointerCapture(event.pointerId);
  const stroke = [place(event)];
  strokes.push(stroke);
  drawing.set(event.pointerId, stroke);
  soon();
});
pad.addEventListener("pointermove", (event) => {
  const stroke = drawing.get(event.pointerId);
  if (!stroke) return;
  // A fast pen moves several times between two frames.
  const moves = event.getCoalescedEvents?.() ?? [];
  for (const move of moves.length ? moves : [event]) stroke.push(place(move));
  soon();
});
for (const kind of ["pointerup", "pointercancel"]) {
  pad.addEventListener(kind, (event) => {
    if (drawing.delete(event.pointerId)) tellEnd();
  });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
pad.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const move = ARROWS[event.key];
  if (move) {
    const step = event.shiftKey ? 0.01 : 0.04;
    const inside = (x) => Math.max(0.04, Math.min(0.96, x));
    [keyboard.x, keyboard.y] = [inside(keyboard.x + step * move[0]), inside(keyboard.y + step * move[1])];
    if (keyboard.down) strokes.at(-1).push([keyboard.x, keyboard.y]);
  } else if (event.key === " " || event.key === "Enter") {
    if (event.repeat) return event.preventDefault();
    keyboard.down = !keyboard.down;
    if (keyboard.down) {
      strokes.push([[keyboard.x, keyboard.y]]);
      byId("live").textContent = "The pen is down.";
    } else tellEnd();
  } else if (event.key === "Backspace") {
    undo();
  } else if (event.key === "Escape" || event.key === "Delete") {
    clear();
  } else {
    return;
  }
  event.preventDefault();
  keyboard.shown = true;
  document.body.classList.remove("finger");
  document.body.classList.add("keyboard");
  soon();
});
pad.addEventListener("focus", soon);
pad.addEventListener("blur", () => {
  if (keyboard.down) {
    keyboard.down = false;
    tellEnd();
  }
  soon();
});

// Draws an example as a hand would.
function play(digit) {
  change([]);
  const mine = playing;
  const whole = EXAMPLES[digit];
  if (still.matches) return change(whole.map((stroke) => stroke.slice()));
  const path = whole.flatMap((stroke, s) =>
    stroke.flatMap((point, i) => {
      const before = stroke[Math.max(0, i - 1)];
      const steps = i ? Math.max(1, Math.round(Math.hypot(point[0] - before[0], point[1] - before[1]) / 0.025)) : 1;
      return Array.from({ length: steps }, (_, k) => [
        s,
        [0, 1].map((axis) => before[axis] + ((point[axis] - before[axis]) * (k + 1)) / steps),
      ]);
    }),
  );
  const draw = (from) => {
    if (mine !== playing) return;
    for (const [s, point] of path.slice(from, from + 2)) (strokes[s] ??= []).push(point);
    soon();
    if (from + 2 < path.length) requestAnimationFrame(() => draw(from + 2));
    else tellEnd();
  };
  draw(0);
}

byId("clear").addEventListener("click", clear);
byId("undo").addEventListener("click", undo);
for (const button of document.querySelectorAll("#examples button")) {
  button.addEventListener("click", () => play(Number(button.textContent)));
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", soon);

function resize() {
  const size = Math.round(pad.getBoundingClientRect().width * devicePixelRatio);
  if (!size || size === pad.width) return;
  pad.width = pad.height = size;
  inkPad(); // At once, for a new size has wiped it.
}
new ResizeObserver(resize).observe(pad);

// Smaller maps are drawn larger: seven units across would be lost beside three maps of 28.
byId("flow").style.setProperty("--columns", sheets.map(({ width }) => `${width ** 0.36}fr`).join(" "));
for (const [i, { name, maps, side, told }] of sheets.entries()) {
  const figure = byId("sheet").content.cloneNode(true).firstElementChild;
  const [canvas, caption] = figure.children;
  canvas.id = name;
  canvas.setAttribute("aria-label", `The ${maps} ${side === 1 ? "units" : "maps"} of ${name}` + (side > 1 ? `, ${side} by ${side}` : ""));
  caption.firstElementChild.textContent = name;
  caption.append(` ${told}`);
  figure.style.setProperty("--i", i);
  byId("flow").append(figure);
}

const { about, members } = description;
byId("about").textContent =
  `${members > 1 ? `${members} networks, averaged` : "One network"}, ` +
  `${about.parameters.toLocaleString("en")} parameters, trained ${about.epochs} epochs on ` +
  `${about["training digits"].toLocaleString("en")} digits (${about["trained on"]}).` +
  (members > 1 ? " The maps are those of the first." : "");

// For the console, and for whoever wants to check: 784 pixels 0..255 -> 10 probabilities.
window.lenet = { probabilities: (pixels) => network(pixels).probabilities, picture: () => pictureOf(strokes) };

// Keeps the page for when there is no network; a file that was opened needs no keeping.
if (location.protocol.startsWith("http") && "serviceWorker" in navigator) {
  navigator.serviceWorker.register("service_worker.js").catch(() => {});
}
show();
