/* CONV_2D and the DEPTHWISE_CONV_2D that reads it, a band of rows at a time: what lies between them is never whole.
 *
 * in: the convolution's input; out: the depthwise output. `scratch` holds a window of window_rows rows of what lies
 * between, then the convolution's scratch, then the depthwise one. For each band of output the window moves down, rows
 * that are still needed are kept, and the convolution makes those that are missing.
 * Bit-exact as both kernels are. */
#ifndef HARNESS_ROLLED_ARMV7EM_H
#define HARNESS_ROLLED_ARMV7EM_H

#include "conv_2d_armv7em.h"
#include "depthwise_conv_2d_armv7em.h"

typedef struct {
    conv_2d_armv7em_shape conv;                /* one row a step */
    depthwise_conv_2d_armv7em_shape depthwise; /* lines are rows */
    int32_t window_bytes, conv_scratch_bytes;
} rolled_armv7em_shape;

KERNEL void rolled_armv7em(const rolled_armv7em_shape *s, const int8_t *in, const int32_t *conv_stream,
                           const int32_t *depthwise_stream, int8_t *scratch, int8_t *out) {
    int8_t *const window = scratch, *const conv = window + s->window_bytes, *const plane = conv + s->conv_scratch_bytes;
    const int32_t row = s->depthwise.in_step;
    int32_t first = 0, done = 0; /* rows in the window, and how many were made */
    for (int32_t y = 0; y < s->depthwise.out_lines; y += s->depthwise.band) {
        const depthwise_band band = depthwise_conv_2d_armv7em_band(&s->depthwise, y);
        if (done > band.first)
            copy_down(window, window + (band.first - first) * row, (done - band.first) * row);
        /* Where a stride is longer than the window, rows that nothing reads are made at its start, and made over. */
        for (first = band.first; done < band.last; done++)
            conv_2d_armv7em_rows(&s->conv, in, done, conv_stream, conv,
                                 window + (done > first ? done - first : 0) * row);
        depthwise_conv_2d_armv7em_lines(&s->depthwise, band, y, window, depthwise_stream, plane,
                                        out + y * s->depthwise.out_step);
    }
}

#endif
