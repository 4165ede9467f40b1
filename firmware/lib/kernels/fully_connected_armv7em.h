/* FULLY_CONNECTED, int8, on a core with Armv7E-M's halfword multiplies: rows, and groups of channels.
 *
 * in: rows x depth; out: rows x channels. Up to three generated routines take the channels: in groups of eight, of
 * four, and the rest. Where they read int16, the row is widened into `scratch` (2 * depth bytes) first; of each eight
 * elements in the order 0 2 1 3 4 6 5 7, which is how SXTB16 widens a word, and how the weights lie.
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

/* (x0, x2) or, rotated by 8, (x1, x3) of a word as two halfwords. */
#define WIDEN(word, rotated)                                                                                           \
    __extension__({                                                                                                    \
        uint32_t wide_;                                                                                                \
        __asm__("sxtb16 %0, %1" rotated : "=r"(wide_) : "r"(word));                                                    \
        wide_;                                                                                                         \
    })

KERNEL void fully_connected_armv7em_widen(const int8_t *in, int32_t depth, int8_t *scratch) {
    int32_t i = 0;
    for (; i + 8 <= depth; i += 8) {
        uint32_t w[2], wide[4];
        memcpy(w, in + i, 8);
        wide[0] = WIDEN(w[0], "");
        wide[1] = WIDEN(w[0], ", ror #8");
        wide[2] = WIDEN(w[1], "");
        wide[3] = WIDEN(w[1], ", ror #8");
        memcpy(scratch + 2 * i, wide, 16);
    }
    for (; i < depth; i++) {
        const int16_t value = in[i];
        memcpy(scratch + 2 * i, &value, 2);
    }
}

KERNEL void fully_connected_armv7em(const fully_connected_armv7em_shape *s, const int8_t *in, const int32_t *stream,
                                    int8_t *scratch, int8_t *out) {
    for (int32_t row = 0; row < s->rows; row++, in += s->depth, out += s->channels) {
        const int8_t *vector = in;
        if (s->widened) {
            fully_connected_armv7em_widen(in, s->depth, scratch);
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
