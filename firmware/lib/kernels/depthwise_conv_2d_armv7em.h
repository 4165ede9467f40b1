/* DEPTHWISE_CONV_2D, int8, on a core with Armv7E-M's halfword multiplies: the bands around a generated routine.
 *
 * in: batches x in_lines lines of `channels`-interleaved elements; out likewise; lines run along either axis, steps are
 * in bytes. The routine widens the lines that a band needs, channel by channel, into `scratch`, which holds the input's
 * zero point where there is padding, and makes the band's outputs of that channel.
 * Where all lines are one band, an output may take its input's place: a channel is read whole before it is written.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/integer_ops/depthwise_conv.h. */
#ifndef HARNESS_DEPTHWISE_CONV_2D_ARMV7EM_H
#define HARNESS_DEPTHWISE_CONV_2D_ARMV7EM_H

#include "kernel.h"

/* What the routine is told: channels, the scratch, where in it the first line goes, lines to widen, lines to make. */
typedef struct {
    int32_t channels;
    int8_t *scratch, *first;
    int32_t in_lines, out_lines;
} depthwise_run;

typedef void depthwise_routine(const int8_t *in, int8_t *out, const int32_t *stream, const depthwise_run *run);

typedef struct {
    int32_t batches, channels;
    int32_t in_lines, in_step, in_batch;
    int32_t out_lines, out_step, out_batch;
    int32_t taps, stride, pad;
    int32_t passes, pass_stream; /* output channels of an input channel; words of the stream for one of them */
    int32_t band;                /* lines of output from one filling of the scratch */
    int32_t line_bytes, line_start, scratch_bytes;
    int32_t input_zero_point;
    depthwise_routine *routine;
} depthwise_conv_2d_armv7em_shape;

KERNEL void depthwise_conv_2d_armv7em_clear(const depthwise_conv_2d_armv7em_shape *s, int8_t *scratch) {
    const uint32_t zero = (uint32_t)s->input_zero_point & 0xffff, pair = zero | zero << 16;
    for (int32_t i = 0; i < s->scratch_bytes; i += 4)
        memcpy(scratch + i, &pair, 4);
}

/* The lines of input, first and one past the last, that the lines of output from y on read. */
typedef struct {
    int32_t lines, top, first, last, bottom;
} depthwise_band;

KERNEL depthwise_band depthwise_conv_2d_armv7em_band(const depthwise_conv_2d_armv7em_shape *s, int32_t y) {
    const int32_t lines = s->out_lines - y < s->band ? s->out_lines - y : s->band;
    const int32_t top = y * s->stride - s->pad, bottom = top + (lines - 1) * s->stride + s->taps;
    const depthwise_band band = {lines, top, top < 0 ? 0 : top, bottom > s->in_lines ? s->in_lines : bottom, bottom};
    return band;
}

/* One band of output; in: its first line of input, out: its first line of output. */
KERNEL void depthwise_conv_2d_armv7em_lines(const depthwise_conv_2d_armv7em_shape *s, depthwise_band band, int32_t y,
                                            const int8_t *in, const int32_t *stream, int8_t *scratch, int8_t *out) {
    if (y == 0 || band.first > band.top || band.last < band.bottom)
        depthwise_conv_2d_armv7em_clear(s, scratch);
    const depthwise_run run = {s->channels, scratch, scratch + (band.first - band.top) * s->line_bytes + s->line_start,
                               band.last - band.first, band.lines};
    for (int32_t pass = 0; pass < s->passes; pass++)
        s->routine(in, out + pass, stream + pass * s->pass_stream, &run);
}

KERNEL void depthwise_conv_2d_armv7em(const depthwise_conv_2d_armv7em_shape *s, const int8_t *in, const int32_t *stream,
                                      int8_t *scratch, int8_t *out) {
    for (int32_t b = 0; b < s->batches; b++, in += s->in_batch, out += s->out_batch)
        for (int32_t y = 0; y < s->out_lines; y += s->band) {
            const depthwise_band band = depthwise_conv_2d_armv7em_band(s, y);
            depthwise_conv_2d_armv7em_lines(s, band, y, in + band.first * s->in_step, stream, scratch,
                                            out + y * s->out_step);
        }
}

#endif
