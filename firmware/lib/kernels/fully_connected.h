/* FULLY_CONNECTED, int8, per tensor or per channel.
 *
 * in: rows x depth; out: rows x channels. Weights, bias, multipliers and shifts as in product.h.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/integer_ops/fully_connected.h. */
#ifndef HARNESS_FULLY_CONNECTED_H
#define HARNESS_FULLY_CONNECTED_H

#include "product.h"

typedef struct {
    int32_t rows, depth, channels;
    requantize_shape output;
} fully_connected_shape;

KERNEL void fully_connected(const fully_connected_shape *s, const int8_t *in, const int8_t *weights,
                            const int32_t *bias, const int32_t *multiplier, const int8_t *shift, int8_t *out) {
    const product_shape row = {s->depth, s->channels, s->output};
    for (int32_t r = 0; r < s->rows; r++)
        product(&row, in + r * s->depth, weights, bias, multiplier, shift, out + r * s->channels);
}

#endif
