/* An operator of one int8 variable, int8 to int8, as a table of its 256 values: RELU, RELU6, LOGISTIC and QUANTIZE
 * from int8. The compiler fills the table with TensorFlow Lite Micro's own arithmetic, so it is exact.
 *
 * in, out: `size` values; table[x + 128] is the result for x. Works in place. */
#ifndef HARNESS_LOOKUP_H
#define HARNESS_LOOKUP_H

#include "kernel.h"

typedef struct {
    int32_t size;
} lookup_shape;

KERNEL void lookup(const lookup_shape *s, const int8_t *in, const int8_t *table, int8_t *out) {
    for (int32_t i = 0; i < s->size; i++)
        out[i] = table[in[i] + 128];
}

#endif
