/* CONV_2D, int8, on a core with Armv7E-M's halfword multiplies: the rows around a generated routine.
 *
 * in: batches x in_h rows; out: batches x out_h rows; sizes and steps are in bytes.
 * The routine multiplies pairs of pixels by all channels (see the comment in the assembly file). Where padding is
 * needed, the rows that one step reads are copied into `strip`, strip_rows x strip_row bytes with the padding around
 * them, which move up as the window moves down; the routine then never meets a border. An input row is in the strip
 * before the output row that may overwrite it is written. `scratch` holds the strip and, behind it, the routine's
 * frame. Bit-exact with tensorflow/lite/kernels/internal/reference/integer_ops/conv.h; harness proves it for each
 * channel. */
#ifndef HARNESS_CONV_2D_ARMV7EM_H
#define HARNESS_CONV_2D_ARMV7EM_H

#include "copy.h"

/* Pairs of pixels: the step from one to the next, and where the second pixel lies from the first; the same for the
 * output. `second` is 0 where a pixel has no partner. stream_bytes: of weights and constants. rows, groups and skip:
 * how a window is read (0 where the routine knows). frame_bytes: four for each product of a channel. */
typedef struct {
    int32_t pairs, step, second, out_step, out_second, stream_bytes, rows, groups, skip, frame_bytes, column;
} product_run;

typedef void product_routine(const int8_t *in, int8_t *out, const int32_t *stream, const product_run *run,
                             int8_t *frame);

typedef struct {
    int32_t batches, in_h, in_row, pad_h, pad_row, input_zero_point, stride_h;
    int32_t strip_rows, strip_row, strip_bytes; /* 0 rows: the input is read directly */
    int32_t out_h, out_row;
    int32_t vertical;              /* a pair is two pixels one below the other: two rows of output a step */
    int32_t single_in, single_out; /* the last pixel of a row of an odd number of them */
    product_routine *whole;        /* channels in groups of four; 0 where there are fewer */
    int32_t whole_channel, whole_stream;
    product_run whole_pair, whole_single;
    product_routine *rest; /* the last channels % 4; 0 where there are none */
    int32_t rest_channel, rest_stream;
    product_run rest_pair, rest_single;
} conv_2d_armv7em_shape;

/* One step of one group of channels: a row of pairs, and the pixel that is left over; or two rows at once. */
KERNEL void conv_2d_armv7em_step(const conv_2d_armv7em_shape *s, product_routine *routine, const product_run *pair,
                                 const product_run *single, const int8_t *in, const int32_t *stream, int32_t last,
                                 int8_t *frame, int8_t *out) {
    if (s->vertical) {
        routine(in, out, stream, last ? single : pair, frame);
        return;
    }
    if (pair->pairs)
        routine(in, out, stream, pair, frame);
    if (single->pairs)
        routine(in + s->single_in, out + s->single_out, stream, single, frame);
}

/* Move the strip so that its first row is input row `top`, which was `down` rows further up before. */
KERNEL void conv_2d_armv7em_slide(const conv_2d_armv7em_shape *s, const int8_t *in, int32_t top, int32_t down,
                                  int8_t *strip) {
    const int32_t kept = down < s->strip_rows ? s->strip_rows - down : 0;
    if (kept)
        copy_down(strip, strip + down * s->strip_row, kept * s->strip_row);
    for (int32_t row = kept; row < s->strip_rows; row++) {
        int8_t *target = strip + row * s->strip_row;
        const int32_t y = top + row;
        if (y >= 0 && y < s->in_h)
            copy_down(target + s->pad_row, in + y * s->in_row, s->in_row);
        else
            memset(target + s->pad_row, s->input_zero_point, (size_t)s->in_row);
    }
}

/* The rows of output that one step makes, from row y; rows are made from the first to the last. */
KERNEL void conv_2d_armv7em_rows(const conv_2d_armv7em_shape *s, const int8_t *in, int32_t y, const int32_t *stream,
                                 int8_t *scratch, int8_t *out) {
    int8_t *const strip = scratch, *const frame = scratch + s->strip_bytes;
    const int32_t moved = (1 + s->vertical) * s->stride_h, last = y + 1 == s->out_h;
    const int8_t *top = in + y * s->stride_h * s->in_row;
    if (s->strip_rows) {
        if (y == 0)
            memset(strip, s->input_zero_point, (size_t)s->strip_bytes);
        conv_2d_armv7em_slide(s, in, y * s->stride_h - s->pad_h, y ? moved : s->strip_rows, strip);
        top = strip;
    }
    if (s->whole)
        conv_2d_armv7em_step(s, s->whole, &s->whole_pair, &s->whole_single, top, stream, last, frame, out);
    if (s->rest)
        conv_2d_armv7em_step(s, s->rest, &s->rest_pair, &s->rest_single, top, stream + s->rest_stream, last, frame,
                             out + s->rest_channel);
}

KERNEL void conv_2d_armv7em(const conv_2d_armv7em_shape *s, const int8_t *in, const int32_t *stream, int8_t *scratch,
                            int8_t *out) {
    const int32_t lines = 1 + s->vertical;
    for (int32_t b = 0; b < s->batches; b++, in += s->in_h * s->in_row, out += s->out_h * s->out_row)
        for (int32_t y = 0; y < s->out_h; y += lines)
            conv_2d_armv7em_rows(s, in, y, stream, scratch, out + y * s->out_row);
}

#endif
