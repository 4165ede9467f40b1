/* MEAN, int8, over all axes between the batches and the channels, on a core with Armv7E-M's parallel additions.
 *
 * in: batches x pixels x channels; out: batches x channels, which may take the input's place. A generated routine sums
 * and requantises: two times a sum less `offset`, times `multiplier`, rounded by way of `addend`.
 * Bit-exact with QuantizedMeanOrSum of tensorflow/lite/kernels/internal/reference/reduce.h. */
#ifndef HARNESS_MEAN_ARMV7EM_H
#define HARNESS_MEAN_ARMV7EM_H

#include "kernel.h"

/* What the routine is told: groups of channels, bytes of the input as one row, then the numbers above. */
typedef struct {
    int32_t groups, row_bytes, skip, rows, multiplier, addend, offset;
} mean_run;

typedef void mean_routine(const int8_t *in, int8_t *out, const mean_run *run);

typedef struct {
    int32_t batches, in_batch, channels;
    mean_run run;
    mean_routine *routine;
} mean_armv7em_shape;

KERNEL void mean_armv7em(const mean_armv7em_shape *s, const int8_t *in, int8_t *out) {
    for (int32_t b = 0; b < s->batches; b++, in += s->in_batch, out += s->channels)
        s->routine(in, out, &s->run);
}

#endif
