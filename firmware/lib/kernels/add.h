/* ADD, int8, with broadcasting, each input on a scale of its own.
 *
 * Shapes have four axes (the compiler merges neighbours and pads with 1); a stride of 0 repeats an input along an
 * axis. An output may take the place of an input that is not repeated.
 * Bit-exact with AddFunc of tensorflow/lite/kernels/internal/reference/integer_ops/add.h (left shift 20). */
#ifndef HARNESS_ADD_H
#define HARNESS_ADD_H

#include "requantize.h"

typedef struct {
    int32_t size[4], stride_a[4], stride_b[4];
    int32_t a_zero_point, a_multiplier, a_shift;
    int32_t b_zero_point, b_multiplier, b_shift;
    int32_t output_zero_point, output_multiplier, output_shift, output_min, output_max;
} add_shape;

/* One input on the common scale; |value - zero_point| <= 255, so the left shift by 20 stays inside 32 bits. */
KERNEL int32_t add_scaled(int32_t value, int32_t zero_point, int32_t multiplier, int32_t shift) {
    return requantize((value - zero_point) * (1 << 20), multiplier, shift);
}

KERNEL void add(const add_shape *s, const int8_t *a, const int8_t *b, int8_t *out) {
    for (int32_t i = 0; i < s->size[0]; i++)
        for (int32_t j = 0; j < s->size[1]; j++)
            for (int32_t k = 0; k < s->size[2]; k++) {
                const int8_t *pa = a + i * s->stride_a[0] + j * s->stride_a[1] + k * s->stride_a[2];
                const int8_t *pb = b + i * s->stride_b[0] + j * s->stride_b[1] + k * s->stride_b[2];
                for (int32_t l = 0; l < s->size[3]; l++, pa += s->stride_a[3], pb += s->stride_b[3]) {
                    const int32_t sum = kernel_add(add_scaled(*pa, s->a_zero_point, s->a_multiplier, s->a_shift),
                                                   add_scaled(*pb, s->b_zero_point, s->b_multiplier, s->b_shift));
                    const int32_t value = requantize(sum, s->output_multiplier, s->output_shift);
                    *out++ = kernel_clamp(kernel_add(value, s->output_zero_point), s->output_min, s->output_max);
                }
            }
}

#endif
