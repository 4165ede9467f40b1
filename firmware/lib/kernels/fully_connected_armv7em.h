/* FULLY_CONNECTED, int8, on a core with Armv7E-M's halfword multiplies: rows, and groups of channels.
 *
 * in: rows x depth; out: rows x channels. Up to three generated routines take the channels: in groups of eight, of
 * four, and the rest. Where they read int16, the row is widened into `scratch` (2 * depth bytes) first.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/integer_ops/fully_connected.h. */
#ifndef HARNESS_FULLY_CONNECTED_ARMV7EM_H
#define HARNESS_FULLY_CONNECTED_ARMV7EM_H

#include "kernel.h"

/* What a routine is told: groups of channels, and how much of the vector its inner loop takes. */
typedef struct {
    int32_t groups, loop_bytes;
} dense_run;

typedef void dense_routine(const int8_t *in, int8_t *out, const int32_t *stream, const dense_run *run);

typedef struct {
    int32_t rows, depth, channels, widened;
    dense_routine *first; /* 0 where there is none */
    int32_t first_channel, first_stream;
    dense_run first_run;
    dense_routine *second;
    int32_t second_channel, second_stream;
    dense_run second_run;
    dense_routine *third;
    int32_t third_channel, third_stream;
    dense_run third_run;
} fully_connected_armv7em_shape;

KERNEL void fully_connected_armv7em(const fully_connected_armv7em_shape *s, const int8_t *in, const int32_t *stream,
                                    int8_t *scratch, int8_t *out) {
    for (int32_t row = 0; row < s->rows; row++, in += s->depth, out += s->channels) {
        const int8_t *vector = in;
        if (s->widened) {
            for (int32_t i = 0; i < s->depth; i++) {
                const int16_t value = in[i];
                memcpy(scratch + 2 * i, &value, 2);
            }
            vector = scratch;
        }
        if (s->first)
            s->first(vector, out + s->first_channel, stream + s->first_stream, &s->first_run);
        if (s->second)
            s->second(vector, out + s->second_channel, stream + s->second_stream, &s->second_run);
        if (s->third)
            s->third(vector, out + s->third_channel, stream + s->third_stream, &s->third_run);
    }
}

#endif
