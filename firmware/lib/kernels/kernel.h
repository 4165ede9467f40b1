/* What every kernel of this folder is made of.
 *
 * A kernel is an inline function that takes a constant shape structure. The generated model.c calls it once for each
 * distinct shape, from a function of its own, so that the compiler folds the shape into the loops; layers of equal
 * shape share that function. Kernels are ordinary C11: they build for every core, and they are the reference that the
 * faster forms for one core are tested against.
 *
 * Arithmetic that TensorFlow Lite Micro leaves to wrap around at 32 bits is done in uint32_t, where C defines it. */
#ifndef HARNESS_KERNEL_H
#define HARNESS_KERNEL_H

#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define KERNEL static inline __attribute__((always_inline, unused))
#else
#define KERNEL static inline
#endif

/* Unroll the loop that follows: a loop of two loads and a multiply spends a third of its time on counting. With
 * KERNEL_SMALL, code size comes first. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(KERNEL_SMALL)
#define KERNEL_UNROLL _Pragma("GCC unroll 4")
#else
#define KERNEL_UNROLL
#endif

/* a + b modulo 2^32. */
KERNEL int32_t kernel_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }

/* Clamp to [low, high] and narrow; -128 <= low <= high <= 127. */
KERNEL int8_t kernel_clamp(int32_t value, int32_t low, int32_t high) {
    return (int8_t)(value < low ? low : value > high ? high : value);
}

#endif
