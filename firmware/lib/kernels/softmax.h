/* SOFTMAX over the last axis, int8 in, int8 out with scale 1/256 and zero point -128.
 *
 * in, out: rows x depth. `exps[d]` is exp(-d * scale * beta) in Q0.31 for d = 0 ... count - 1, computed by the
 * compiler with gemmlowp's exp_on_negative_values; larger differences count as nothing. Works in place.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/softmax.h. */
#ifndef HARNESS_SOFTMAX_H
#define HARNESS_SOFTMAX_H

#include "requantize.h"

typedef struct {
    int32_t rows, depth, count;
} softmax_shape;

/* gemmlowp's SaturatingRoundingMultiplyByPOT for a left shift by 1 or 2. */
KERNEL int32_t softmax_shift_left(int32_t x, int32_t exponent) {
    const int64_t wide = (int64_t)x * (1 << exponent);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* 1 / (1 + a) in Q0.31 for a in Q0.31, 0 <= a < 1: Newton-Raphson on 48/17 - 32/17 d, as gemmlowp does it. */
KERNEL int32_t softmax_reciprocal(int32_t a) {
    const int32_t half_denominator = (int32_t)(((int64_t)a + INT32_MAX + 1) >> 1);
    int32_t x = 1515870810 + rounding_doubling_high_mul(half_denominator, -1010580540);
    for (int32_t step = 0; step < 3; step++) {
        const int32_t one_minus = (1 << 29) - rounding_doubling_high_mul(half_denominator, x);
        x = kernel_add(x, softmax_shift_left(rounding_doubling_high_mul(x, one_minus), 2));
    }
    return softmax_shift_left(x, 1);
}

/* The number of zero bits above the highest one; x > 0. */
KERNEL int32_t softmax_headroom(int32_t x) {
    int32_t zeros = 0;
    while (!((uint32_t)x << zeros & UINT32_C(0x80000000)))
        zeros++;
    return zeros;
}

KERNEL void softmax(const softmax_shape *s, const int8_t *in, const int32_t *exps, int8_t *out) {
    for (int32_t row = 0; row < s->rows; row++, in += s->depth, out += s->depth) {
        int32_t largest = INT8_MIN;
        for (int32_t c = 0; c < s->depth; c++)
            if (in[c] > largest)
                largest = in[c];
        uint32_t sum = 0; /* 12 integer bits */
        for (int32_t c = 0; c < s->depth; c++)
            if (largest - in[c] < s->count)
                sum += (uint32_t)rounding_divide_by_pot(exps[largest - in[c]], 12);
        const int32_t headroom = softmax_headroom((int32_t)sum);
        const int32_t scale = softmax_reciprocal((int32_t)((sum << headroom) - UINT32_C(0x80000000)));
        const int32_t exponent = 12 - headroom + 31 - 8;
        for (int32_t c = 0; c < s->depth; c++) {
            const int32_t difference = largest - in[c];
            if (difference < s->count) {
                const int32_t product = rounding_doubling_high_mul(scale, exps[difference]);
                out[c] = kernel_clamp(rounding_divide_by_pot(product, exponent) + INT8_MIN, INT8_MIN, INT8_MAX);
            } else {
                out[c] = INT8_MIN;
            }
        }
    }
}

#endif
