/* A network for a grey picture of one digit, in C99; written by lenet-jax.
 *
 *   float workspace[LENET5_WORKSPACE];
 *   float probabilities[10];
 *   lenet5(pixels, workspace, probabilities);
 *
 * pixels are uint8_t [28 * 28], row by row, 0 for background and 255 for ink. Nothing is allocated,
 * and nothing is kept between calls. On a device call lenet5_largest_error(workspace) once, with
 * LENET5_GOLDEN defined before the header is included: it computes the digits at the end of this
 * file and gives the largest difference from what the run gave; more than 1e-4 is a fault.
 *
/* ABOUT */
 */
#ifndef LENET5_H
#define LENET5_H

#include <math.h>
#include <stdint.h>

/* SIZES */

/* WEIGHTS */

/* Maps of side x side to others; units are maps of side 1. */
struct lenet5_layer {
  int inputs, side, outputs, width, stride;
  /* Whether 2x2 are averaged, and how many maps are normalised together, 0 for none. */
  int pooled, grouped;
  float epsilon;
  const float *kernel, *bias, *gain, *shift;
};

static const struct lenet5_layer lenet5_layers[LENET5_MEMBERS][LENET5_LAYERS] = {
/* LAYERS */
};

static float lenet5_act(float x) {
/* ACTIVATION */
}

static float lenet5_pixel(const uint8_t *pixels, int row, int column) {
  /* The picture stands in zeros. */
  row -= LENET5_PADDING;
  column -= LENET5_PADDING;
  if (row < 0 || row >= 28 || column < 0 || column >= 28) return 0.0f;
  return (float)pixels[row * 28 + column];
}

/* What a filter gives at a row and a column, of the pixels where there are no maps yet. */
static float lenet5_filter(const struct lenet5_layer *layer, const uint8_t *pixels,
                           const float *maps, const float *kernel, int row, int column) {
  const int width = layer->width;
  float sum = 0.0f;
  for (int i = 0; i < layer->inputs; i++)
    for (int y = row; y < row + width; y++) {
      const float *const line = maps ? maps + (i * layer->side + y) * layer->side : 0;
      for (int x = column; x < column + width; x++)
        sum += *kernel++ * (line ? line[x] : lenet5_pixel(pixels, y, x));
    }
  return sum;
}

/* The average of 2x2 outputs of a filter, squashed before or after it. */
static float lenet5_average(const struct lenet5_layer *layer, const uint8_t *pixels,
                            const float *maps, const float *kernel, float bias, int row,
                            int column) {
  float sum = 0.0f;
  for (int corner = 0; corner < 4; corner++) {
    const float x = bias + lenet5_filter(layer, pixels, maps, kernel, 2 * row + corner / 2,
                                         2 * column + corner % 2);
    sum += LENET5_POOL_FIRST ? x : lenet5_act(x);
  }
  return LENET5_POOL_FIRST ? lenet5_act(sum / 4.0f) : sum / 4.0f;
}

/* Each group of maps gets mean 0 and variance 1, then each map its gain and its shift. */
static void lenet5_normalise(const struct lenet5_layer *layer, float *maps, int size) {
  const int count = layer->grouped * size;
  for (int m = 0; m < layer->outputs; m += layer->grouped, maps += count) {
    float mean = 0.0f, variance = 0.0f;
    for (int i = 0; i < count; i++) mean += maps[i] / (float)count;
    for (int i = 0; i < count; i++)
      variance += (maps[i] - mean) * (maps[i] - mean) / (float)count;
    const float scale = 1.0f / sqrtf(variance + layer->epsilon);
    for (int i = 0; i < count; i++)
      maps[i] = (maps[i] - mean) * scale * layer->gain[m + i / size] + layer->shift[m + i / size];
  }
}

/* All of a layer but its squashing, which averages have had; says how many outputs there are. */
static int lenet5_compute(const struct lenet5_layer *layer, const uint8_t *pixels,
                          const float *maps, float *outputs) {
  const int all = (layer->side - layer->width) / layer->stride + 1;
  const int size = layer->pooled ? all / 2 : all;
  const float *kernel = layer->kernel;
  float *next = outputs;
  for (int o = 0; o < layer->outputs; o++, kernel += layer->inputs * layer->width * layer->width)
    for (int row = 0; row < size; row++)
      for (int column = 0; column < size; column++)
        *next++ = layer->pooled
                      ? lenet5_average(layer, pixels, maps, kernel, layer->bias[o], row, column)
                      : layer->bias[o] + lenet5_filter(layer, pixels, maps, kernel,
                                                       layer->stride * row, layer->stride * column);
  if (layer->grouped) lenet5_normalise(layer, outputs, size * size);
  return layer->outputs * size * size;
}

static void lenet5_softmax(float values[10]) {
  float largest = values[0], sum = 0.0f;
  for (int k = 1; k < 10; k++)
    if (values[k] > largest) largest = values[k];
  for (int k = 0; k < 10; k++) sum += values[k] = expf(values[k] - largest);
  for (int k = 0; k < 10; k++) values[k] /= sum;
}

static inline void lenet5(const uint8_t pixels[784], float workspace[LENET5_WORKSPACE],
                          float probabilities[10]) {
  for (int k = 0; k < 10; k++) probabilities[k] = 0.0f;
  for (int m = 0; m < LENET5_MEMBERS; m++) {
    const float *maps = 0;
    float *outputs = workspace;
    for (int l = 0; l < LENET5_LAYERS; l++) {
      const struct lenet5_layer *const layer = &lenet5_layers[m][l];
      /* Each layer reads from one part of the workspace and writes to the other. */
      outputs = l % 2 ? workspace + LENET5_FIRST_PART : workspace;
      const int count = lenet5_compute(layer, pixels, maps, outputs);
      if (!layer->pooled && l < LENET5_LAYERS - 1)
        for (int i = 0; i < count; i++) outputs[i] = lenet5_act(outputs[i]);
      maps = outputs;
    }
    lenet5_softmax(outputs);
    for (int k = 0; k < 10; k++) probabilities[k] += outputs[k] / LENET5_MEMBERS;
  }
  for (int k = 0; k < 10; k++) {
    const float logarithm = logf(probabilities[k]);
    probabilities[k] =
        (logarithm > LENET5_LEAST ? logarithm : LENET5_LEAST) / LENET5_TEMPERATURE;
  }
  lenet5_softmax(probabilities);
}

#ifdef LENET5_GOLDEN
/* GOLDEN */

static inline float lenet5_largest_error(float workspace[LENET5_WORKSPACE]) {
  float largest = 0.0f;
  for (int i = 0; i < LENET5_GOLDEN_DIGITS; i++) {
    float probabilities[10];
    lenet5(lenet5_golden_pixels[i], workspace, probabilities);
    for (int k = 0; k < 10; k++) {
      const float error = fabsf(probabilities[k] - lenet5_golden_probabilities[i][k]);
      /* Not `>`: what is no number is an error too. */
      if (!(error <= largest)) largest = error;
    }
  }
  return largest;
}
#endif

#endif
