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

/* round(x / 2^exponent), half away from zero; 0 <= exponent <= 31; x > INT32_MIN. Taking 1 from a negative x turns
 * "half away from zero" into "half up", which is the bit below the cut; nothing can overflow. */
KERNEL int32_t rounding_divide_by_pot(int32_t x, int32_t exponent) {
    if (exponent == 0) return x;
    const int32_t y = x + (x >> 31);
    return (y >> exponent) + ((y >> (exponent - 1)) & 1);
}

/* x * multiplier / 2^31 * 2^shift; multiplier in {0} or [2^30, 2^31), -31 <= shift <= 30. */
KERNEL int32_t requantize(int32_t x, int32_t multiplier, int32_t shift) {
    if (shift > 0) return rounding_doubling_high_mul((int32_t)((uint32_t)x << shift), multiplier);
    return rounding_divide_by_pot(rounding_doubling_high_mul(x, multiplier), -shift);
}

#endif
