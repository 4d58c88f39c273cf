/* LeNet-5 on a grey picture of one digit, in C99; written by lenet-jax.
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
/* S2, S4, C5, F6 and the ten outputs of one member, in floats. */
#define LENET5_WORKSPACE \
  (LENET5_S2 * 14 * 14 + LENET5_S4 * 5 * 5 + LENET5_C5 + LENET5_F6 + 10)

/* WEIGHTS */

static float lenet5_act(float x) {
/* ACTIVATION */
}

static float lenet5_pixel(const uint8_t *pixels, int row, int column) {
  /* The picture stands in 32x32 zeros. */
  if (row < 2 || row >= 30 || column < 2 || column >= 30) return 0.0f;
  return (float)pixels[(row - 2) * 28 + column - 2];
}

/* One output of C1, or of C3 where there are maps, at a row and a column. */
static float lenet5_filter(const uint8_t *pixels, const float *maps, int count, int side,
                           const float *kernel, int row, int column) {
  float sum = 0.0f;
  for (int i = 0; i < count; i++)
    for (int y = 0; y < 5; y++)
      for (int x = 0; x < 5; x++) {
        const float value = maps ? maps[(i * side + row + y) * side + column + x]
                                 : lenet5_pixel(pixels, row + y, column + x);
        sum += *kernel++ * value;
      }
  return sum;
}

/* A convolution and the average of 2x2 of its outputs, squashed before or after it. */
static void lenet5_convolve(const uint8_t *pixels, const float *maps, int count, int side,
                            const float *kernel, const float *bias, int filters, float *pooled) {
  const int out = (side - 4) / 2;
  for (int f = 0; f < filters; f++, kernel += count * 25)
    for (int row = 0; row < out; row++)
      for (int column = 0; column < out; column++) {
        float sum = 0.0f;
        for (int corner = 0; corner < 4; corner++) {
          const float x = bias[f] + lenet5_filter(pixels, maps, count, side, kernel,
                                                  2 * row + corner / 2, 2 * column + corner % 2);
          sum += LENET5_POOL_FIRST ? x : lenet5_act(x);
        }
        *pooled++ = LENET5_POOL_FIRST ? lenet5_act(sum / 4.0f) : sum / 4.0f;
      }
}

static void lenet5_dense(const float *inputs, int count, const float *kernel, const float *bias,
                         int units, float *outputs) {
  for (int u = 0; u < units; u++) {
    outputs[u] = bias[u];
    for (int i = 0; i < count; i++) outputs[u] += *kernel++ * inputs[i];
  }
}

static void lenet5_act_all(float *values, int count) {
  for (int i = 0; i < count; i++) values[i] = lenet5_act(values[i]);
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
  float *const s2 = workspace, *const s4 = s2 + LENET5_S2 * 14 * 14;
  float *const c5 = s4 + LENET5_S4 * 5 * 5, *const f6 = c5 + LENET5_C5;
  float *const outputs = f6 + LENET5_F6;
  for (int k = 0; k < 10; k++) probabilities[k] = 0.0f;
  for (int m = 0; m < LENET5_MEMBERS; m++) {
    lenet5_convolve(pixels, 0, 1, 32, lenet5_C1_kernel[m], lenet5_C1_bias[m], LENET5_S2, s2);
    lenet5_convolve(0, s2, LENET5_S2, 14, lenet5_C3_kernel[m], lenet5_C3_bias[m], LENET5_S4, s4);
    lenet5_dense(s4, LENET5_S4 * 25, lenet5_C5_kernel[m], lenet5_C5_bias[m], LENET5_C5, c5);
    lenet5_act_all(c5, LENET5_C5);
    lenet5_dense(c5, LENET5_C5, lenet5_F6_kernel[m], lenet5_F6_bias[m], LENET5_F6, f6);
    lenet5_act_all(f6, LENET5_F6);
    lenet5_dense(f6, LENET5_F6, lenet5_output_kernel[m], lenet5_output_bias[m], 10, outputs);
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
