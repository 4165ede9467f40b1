/* MEAN, int8, over any axes.
 *
 * The compiler merges neighbouring axes into in: keep0 x sum0 x keep1 x sum1 x keep2 (absent ones are 1);
 * out: keep0 x keep1 x keep2. `offset` is the input's zero point times the number of values in a sum; multiplier and
 * shift have 1 / that number in them.
 * Bit-exact with QuantizedMeanOrSum of tensorflow/lite/kernels/internal/reference/reduce.h. */
#ifndef HARNESS_MEAN_H
#define HARNESS_MEAN_H

#include "requantize.h"

typedef struct {
    int32_t keep0, sum0, keep1, sum1, keep2;
    int32_t offset, multiplier, shift, output_zero_point;
} mean_shape;

KERNEL void mean(const mean_shape *s, const int8_t *in, int8_t *out) {
    const int32_t step1 = s->keep2, step_keep1 = s->sum1 * step1, step0 = s->keep1 * step_keep1;
    for (int32_t a = 0; a < s->keep0; a++, in += s->sum0 * step0) {
        for (int32_t b = 0; b < s->keep1; b++) {
            for (int32_t c = 0; c < s->keep2; c++) {
                int32_t sum = 0;
                for (int32_t i = 0; i < s->sum0; i++)
                    for (int32_t j = 0; j < s->sum1; j++)
                        sum += in[i * step0 + b * step_keep1 + j * step1 + c];
                const int32_t value = requantize(sum - s->offset, s->multiplier, s->shift);
                *out++ = kernel_clamp(kernel_add(value, s->output_zero_point), INT8_MIN, INT8_MAX);
            }
        }
    }
}

#endif
