/* ADD, int8, of two tensors of one shape, on a core with Armv7E-M's halfword multiplies: a generated routine takes
 * sixteen elements at a time, this the last ones.
 *
 * An element is (c + (a x1 >> 8) + (b x2 >> 8)) >> shift, clamped; x1 and x2 are the inputs. Nothing overflows.
 * An output may take the place of an input, or begin before it: 16 elements are read before they are written.
 * Bit-exact with AddFunc of tensorflow/lite/kernels/internal/reference/integer_ops/add.h: harness compares all pairs.
 */
#ifndef HARNESS_ADD_ARMV7EM_H
#define HARNESS_ADD_ARMV7EM_H

#include "kernel.h"

/* What the routine is told; bytes: a multiple of 16, at least 16. */
typedef struct {
    int32_t a, b, c, bytes;
} add_run;

typedef void add_routine(const int8_t *a, const int8_t *b, int8_t *out, const add_run *run);

typedef struct {
    int32_t size;
    add_routine *routine;
    add_run run;
    int32_t shift, output_min, output_max;
} add_armv7em_shape;

KERNEL void add_armv7em(const add_armv7em_shape *s, const int8_t *a, const int8_t *b, int8_t *out) {
    if (s->run.bytes)
        s->routine(a, b, out, &s->run);
    for (int32_t i = s->run.bytes; i < s->size; i++) {
        const int32_t first = (int32_t)((int64_t)s->run.a * a[i] >> 8),
                      second = (int32_t)((int64_t)s->run.b * b[i] >> 8);
        out[i] = kernel_clamp((s->run.c + first + second) >> s->shift, s->output_min, s->output_max);
    }
}

#endif
