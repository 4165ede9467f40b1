/* QUANTIZE, float32 to int8, at the border of a graph: zero_point + round(x / scale), half away from zero, clamped.
 *
 * in: `size` float32 in the machine's byte order, 4-byte steps; out: `size` int8.
 * Bit-exact with AffineQuantize of tensorflow/lite/kernels/internal/reference/quantize.h for every x whose quotient
 * fits 32 bits; beyond that (where TensorFlow Lite Micro converts out of range, which C leaves undefined) the result
 * saturates, and NaN gives the zero point. */
#ifndef HARNESS_QUANTIZE_H
#define HARNESS_QUANTIZE_H

#include "kernel.h"

typedef struct {
    int32_t size;
    float scale;
    int32_t zero_point;
} quantize_shape;

/* round(x), half away from zero, |x| < 2^24 where float32 has halves at all; without libm. */
KERNEL int32_t quantize_round(float x) {
    const int32_t whole = (int32_t)x;
    const float rest = x - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

KERNEL void quantize(const quantize_shape *s, const int8_t *in, int8_t *out) {
    for (int32_t i = 0; i < s->size; i++) {
        float x;
        memcpy(&x, in + 4 * i, 4);
        x /= s->scale;
        /* Outside +-512 every zero point saturates; !(x == x) is NaN. */
        const int32_t value = x > 512.0f ? 512 : x < -512.0f ? -512 : x == x ? quantize_round(x) : 0;
        out[i] = kernel_clamp(value + s->zero_point, INT8_MIN, INT8_MAX);
    }
}

#endif
