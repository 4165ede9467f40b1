/* DEQUANTIZE, int8 to float32, at the border of a graph: scale * (q - zero_point).
 *
 * in: `size` int8; out: `size` float32 in the machine's byte order, 4-byte steps.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/dequantize.h, which multiplies in double and rounds to
 * float: 24 bits of scale times 9 bits of difference are exact in double, so one float multiplication rounds alike. */
#ifndef HARNESS_DEQUANTIZE_H
#define HARNESS_DEQUANTIZE_H

#include "kernel.h"

typedef struct {
    int32_t size;
    float scale;
    int32_t zero_point;
} dequantize_shape;

KERNEL void dequantize(const dequantize_shape *s, const int8_t *in, int8_t *out) {
    for (int32_t i = 0; i < s->size; i++) {
        const float x = s->scale * (float)(in[i] - s->zero_point);
        memcpy(out + 4 * i, &x, 4);
    }
}

#endif
