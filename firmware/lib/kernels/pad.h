/* PAD, int8: a copy of the input with `value` (the zero point) around it.
 *
 * Shapes have five axes; the input begins at `before` inside the output. */
#ifndef HARNESS_PAD_H
#define HARNESS_PAD_H

#include "kernel.h"

typedef struct {
    int32_t in[5], before[5], out[5], value;
} pad_shape;

KERNEL void pad(const pad_shape *s, const int8_t *in, int8_t *out) {
    memset(out, s->value, (size_t)s->out[0] * s->out[1] * s->out[2] * s->out[3] * s->out[4]);
    for (int32_t a = 0; a < s->in[0]; a++)
        for (int32_t b = 0; b < s->in[1]; b++)
            for (int32_t c = 0; c < s->in[2]; c++)
                for (int32_t d = 0; d < s->in[3]; d++, in += s->in[4]) {
                    int32_t row = (s->before[0] + a) * s->out[1] + s->before[1] + b;
                    row = (row * s->out[2] + s->before[2] + c) * s->out[3] + s->before[3] + d;
                    memcpy(out + row * s->out[4] + s->before[4], in, (size_t)s->in[4]);
                }
}

#endif
