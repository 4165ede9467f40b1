/* From a 32-bit accumulator to the output's scale, rounded twice as TensorFlow Lite Micro does.
 *
 * Bit-exact with gemmlowp's SaturatingRoundingDoublingHighMul followed by RoundingDivideByPOT (fixedpoint.h), the
 * build of tensorflow/lite/kernels/internal/common.cc without TFLITE_SINGLE_ROUNDING. */
#ifndef HARNESS_REQUANTIZE_H
#define HARNESS_REQUANTIZE_H

#include "kernel.h"

/* round(a * b / 2^31), half up. Never both INT32_MIN here: b is a multiplier, 0 <= b. gemmlowp writes it with a
 * division that truncates and a nudge that depends on the sign; both forms round -x.5 up, so a shift does. */
KERNEL int32_t rounding_doubling_high_mul(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* round(x / 2^exponent), half away from zero; 1 <= exponent <= 31; |x| < INT32_MAX. Taking 1 from a negative x turns
 * "half away from zero" into "half up"; cutting one bit too few, adding 1 and halving rounds half up. */
KERNEL int32_t rounding_divide_by_pot(int32_t x, int32_t exponent) {
    return (((x + (x >> 31)) >> (exponent - 1)) + 1) >> 1;
}

/* x * multiplier / 2^31 * 2^shift for a shift to the right: multiplier in {0} or [2^30, 2^31), -31 <= shift <= -1.
 * A product with a multiplier below 2^31 stays below INT32_MAX, as the division asks. */
KERNEL int32_t requantize_down(int32_t x, int32_t multiplier, int32_t shift) {
    return rounding_divide_by_pot(rounding_doubling_high_mul(x, multiplier), -shift);
}

/* The same for any shift, -31 <= shift <= 30; to the left it wraps at 32 bits. */
KERNEL int32_t requantize(int32_t x, int32_t multiplier, int32_t shift) {
    if (shift >= 0)
        return rounding_doubling_high_mul((int32_t)((uint32_t)x << shift), multiplier);
    return requantize_down(x, multiplier, shift);
}

/* What turns a layer's accumulators into its output. Multipliers and shifts: one a channel where per_channel is 1,
 * one for all where it is 0; all_down: every shift is negative, which saves a test an output. */
typedef struct {
    int32_t per_channel, all_down, output_zero_point, output_min, output_max;
} requantize_shape;

KERNEL int8_t requantize_channel(const requantize_shape *s, uint32_t sum, const int32_t *multiplier,
                                 const int8_t *shift, int32_t channel) {
    const int32_t c = channel * s->per_channel, x = (int32_t)sum;
    const int32_t value =
        s->all_down ? requantize_down(x, multiplier[c], shift[c]) : requantize(x, multiplier[c], shift[c]);
    return kernel_clamp(kernel_add(value, s->output_zero_point), s->output_min, s->output_max);
}

#endif
