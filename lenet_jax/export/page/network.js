// The network over its weights, layer by layer, in plain loops.
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

// A valid convolution: maps [inputs * side * side] -> [outputs * made * made].
function convolve(x, { kernel, bias, outputs, inputs, width, stride, side, made }) {
  const y = new Float32Array(outputs * made * made);
  const patch = new Float32Array(inputs * width * width);
  for (let place = 0; place < made * made; place++) {
    let to = 0;
    for (let i = 0; i < inputs; i++)
      for (let a = 0; a < width; a++) {
        const from = (i * side + Math.floor(place / made) * stride + a) * side + (place % made) * stride;
        for (let b = 0; b < width; b++) patch[to++] = x[from + b];
      }
    // Two filters at once, of which every layer has an even number: a sum waits for itself.
    for (let o = 0; o < outputs; o += 2) {
      let [one, two] = [bias[o], bias[o + 1]];
      const [first, second] = [o * patch.length, (o + 1) * patch.length];
      for (let i = 0; i < patch.length; i++) {
        one += kernel[first + i] * patch[i];
        two += kernel[second + i] * patch[i];
      }
      y[o * made * made + place] = one;
      y[(o + 1) * made * made + place] = two;
    }
  }
  return y;
}

// Each group of maps gets mean 0 and variance 1, then each map its gain and its shift.
function normalise(x, { outputs, normalised, gain, shift }) {
  const size = x.length / outputs;
  const y = new Float32Array(x.length);
  for (let first = 0; first < x.length; first += normalised.maps * size) {
    const group = x.subarray(first, first + normalised.maps * size);
    const mean = group.reduce((sum, value) => sum + value, 0) / group.length;
    const variance = group.reduce((sum, value) => sum + (value - mean) ** 2, 0) / group.length;
    const scale = 1 / Math.sqrt(variance + normalised.epsilon);
    group.forEach((value, i) => {
      const map = Math.floor((first + i) / size);
      y[first + i] = (value - mean) * scale * gain[map] + shift[map];
    });
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

// { probabilities: [10], maps: name -> values of the first member } of 784 pixels 0..255. Of a
// convolution these are its sums, of what makes maps smaller and of units what the next layer gets.
function makeNetwork(description) {
  const weights = decodeWeights(description.weights);
  const act = ACTIVATIONS[description.activation];
  let at = 0;
  const take = (count) => weights.subarray(at, (at += count));
  const members = Array.from({ length: description.members }, () =>
    description.layers.map((layer) => {
      const { outputs, inputs, width, normalised } = layer;
      const linear = { kernel: take(outputs * inputs * width * width), bias: take(outputs) };
      return { ...layer, ...linear, ...(normalised && { gain: take(outputs), shift: take(outputs) }) };
    }),
  );
  if (at !== weights.length) throw new Error(`weights for ${at} numbers, not ${weights.length}`);

  function handedOn(sums, layer) {
    if (layer.normalised) return normalise(sums, layer).map(act);
    if (!layer.averaged) return sums.map(act);
    if (description.subsampling === "pool_act") return averagePool(sums, layer.outputs, layer.made).map(act);
    return averagePool(sums.map(act), layer.outputs, layer.made);
  }

  function one(layers, padded) {
    const maps = {};
    let x = padded;
    for (const layer of layers.slice(0, -1)) {
      const sums = convolve(x, layer);
      x = handedOn(sums, layer);
      maps[layer.name] = layer.stride > 1 || layer.made === 1 ? x : sums;
      if (layer.averaged) maps[layer.averaged] = x;
    }
    return { probabilities: softmax(convolve(x, layers.at(-1))), maps };
  }

  return (pixels) => {
    if (pixels.length !== 784) throw new Error(`784 pixels are needed, not ${pixels.length}`);
    const { padding } = description;
    const side = 28 + 2 * padding;
    const padded = new Float32Array(side * side);
    for (let row = 0; row < 28; row++)
      padded.set(pixels.slice(row * 28, row * 28 + 28), (row + padding) * side + padding);
    const results = members.map((layers) => one(layers, padded));
    const mean = results[0].probabilities.map(
      (_, k) => results.reduce((sum, result) => sum + result.probabilities[k], 0) / results.length,
    );
    return { probabilities: tempered(mean, description.temperature), maps: results[0].maps };
  };
}
