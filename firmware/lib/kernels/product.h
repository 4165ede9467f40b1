/* One vector of `depth` int8 values times a matrix of `channels` columns, requantised: the core of convolution and
 * fully connected layers.
 *
 * Weights: four channels at a time, w[channel / 4][k][channel % 4]; the last channels % 4 columns one after another.
 * Bias: the input's zero point is folded in, bias[c] - zero_point * sum_k w[k][c], so a product needs no offset.
 * Multipliers and shifts: as in requantize.h.
 *
 * The loop over k costs 9 instructions for 4 products on a Cortex-M (one load of x, four of w, four MLA): 2.25 a MAC
 * and a quarter of the loop's own two. Without the halfword multiplies of one core, loads are what is left. */
#ifndef HARNESS_PRODUCT_H
#define HARNESS_PRODUCT_H

#include "requantize.h"

typedef struct {
    int32_t depth, channels;
    requantize_shape output;
} product_shape;

KERNEL void product(const product_shape *s, const int8_t *x, const int8_t *weights, const int32_t *bias,
                    const int32_t *multiplier, const int8_t *shift, int8_t *out) {
    const int8_t *w = weights;
    const int32_t whole = s->channels - s->channels % 4;
    for (int32_t c = 0; c < whole; c += 4) {
        uint32_t s0 = (uint32_t)bias[c], s1 = (uint32_t)bias[c + 1];
        uint32_t s2 = (uint32_t)bias[c + 2], s3 = (uint32_t)bias[c + 3];
        KERNEL_UNROLL
        for (int32_t k = 0; k < s->depth; k++, w += 4) {
            const int32_t value = x[k];
            s0 += (uint32_t)(value * w[0]);
            s1 += (uint32_t)(value * w[1]);
            s2 += (uint32_t)(value * w[2]);
            s3 += (uint32_t)(value * w[3]);
        }
        out[c] = requantize_channel(&s->output, s0, multiplier, shift, c);
        out[c + 1] = requantize_channel(&s->output, s1, multiplier, shift, c + 1);
        out[c + 2] = requantize_channel(&s->output, s2, multiplier, shift, c + 2);
        out[c + 3] = requantize_channel(&s->output, s3, multiplier, shift, c + 3);
    }
    for (int32_t c = whole; c < s->channels; c++) {
        uint32_t sum = (uint32_t)bias[c];
        for (int32_t k = 0; k < s->depth; k++)
            sum += (uint32_t)(x[k] * *w++);
        out[c] = requantize_channel(&s->output, sum, multiplier, shift, c);
    }
}

#endif
