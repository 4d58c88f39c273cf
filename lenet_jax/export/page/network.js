// LeNet-5 over its weights. Plain loops: one network is 0.4 million multiplications.
"use strict";

const ACTIVATIONS = {
  /* activations */
};

function decodeWeights(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  // Little-endian whatever the machine is.
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

// A valid convolution: maps [inputs * side * side] -> [outputs * size * size].
function convolve(x, side, { kernel, bias, outputs, inputs, width }) {
  const size = side - width + 1;
  const y = new Float32Array(outputs * size * size);
  for (let o = 0; o < outputs; o++)
    for (let row = 0; row < size; row++)
      for (let column = 0; column < size; column++) {
        let sum = bias[o];
        for (let i = 0; i < inputs; i++)
          for (let a = 0; a < width; a++) {
            const from = (i * side + row + a) * side + column;
            const at = ((o * inputs + i) * width + a) * width;
            for (let b = 0; b < width; b++) sum += kernel[at + b] * x[from + b];
          }
        y[(o * size + row) * size + column] = sum;
      }
  return y;
}

function averagePool(x, maps, side) {
  const half = side / 2;
  const y = new Float32Array(maps * half * half);
  for (let m = 0; m < maps; m++)
    for (let row = 0; row < half; row++)
      for (let column = 0; column < half; column++) {
        const at = (m * side + 2 * row) * side + 2 * column;
        y[(m * half + row) * half + column] = (x[at] + x[at + 1] + x[at + side] + x[at + side + 1]) / 4;
      }
  return y;
}

function softmax(logits) {
  const top = Math.max(...logits);
  const powers = Array.from(logits, (x) => Math.exp(x - top));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((x) => x / sum);
}

// As calibration.py does, its least probability included.
function tempered(probabilities, temperature) {
  return softmax(probabilities.map((p) => Math.log(Math.max(p, 1e-30)) / temperature));
}

// { probabilities: [10], maps: name -> values of the first member } of 784 pixels 0..255.
function makeNetwork(description) {
  const weights = decodeWeights(description.weights);
  const act = ACTIVATIONS[description.activation];
  let at = 0;
  const take = (count) => weights.subarray(at, (at += count));
  const members = Array.from({ length: description.members }, () =>
    Object.fromEntries(
      description.layers.map(([name, outputs, inputs, width]) => [
        name,
        { kernel: take(outputs * inputs * width * width), bias: take(outputs), outputs, inputs, width },
      ]),
    ),
  );
  if (at !== weights.length) throw new Error(`weights for ${at} numbers, not ${weights.length}`);

  function subsample(x, maps, side) {
    if (description.subsampling === "pool_act") {
      return [x, averagePool(x, maps, side).map(act)];
    }
    const squashed = x.map(act);
    return [squashed, averagePool(squashed, maps, side)];
  }

  function one(layers, padded) {
    const [C1, S2] = subsample(convolve(padded, 32, layers.C1), layers.C1.outputs, 28);
    const [C3, S4] = subsample(convolve(S2, 14, layers.C3), layers.C3.outputs, 10);
    const C5 = convolve(S4, 5, layers.C5).map(act);
    const F6 = convolve(C5, 1, layers.F6).map(act);
    return { probabilities: softmax(convolve(F6, 1, layers.output)), maps: { C1, S2, C3, S4, C5, F6 } };
  }

  return (pixels) => {
    if (pixels.length !== 784) throw new Error(`784 pixels are needed, not ${pixels.length}`);
    const padded = new Float32Array(32 * 32);
    for (let row = 0; row < 28; row++)
      for (let column = 0; column < 28; column++)
        padded[(row + 2) * 32 + column + 2] = pixels[row * 28 + column];
    const results = members.map((layers) => one(layers, padded));
    const mean = results[0].probabilities.map(
      (_, k) => results.reduce((sum, result) => sum + result.probabilities[k], 0) / results.length,
    );
    return { probabilities: tempered(mean, description.temperature), maps: results[0].maps };
  };
}
