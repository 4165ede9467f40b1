/* AVERAGE_POOL_2D and MAX_POOL_2D, int8, on a core with Armv7E-M's parallel additions: the windows around a generated
 * routine, which makes one pixel of output from the part of a window that lies inside the input.
 *
 * Shapes as in pool.h. Without padding an output may take its input's place: a window never begins before the pixel
 * that is written, and of that pixel the routine reads channels before it writes them.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h. */
#ifndef HARNESS_POOL_2D_ARMV7EM_H
#define HARNESS_POOL_2D_ARMV7EM_H

#include "pool.h"

/* What the routine is told: groups of channels, bytes of the window's rows and from the end of one to the start of the
 * next, rows; how many pixels these are, and half of that. */
typedef struct {
    int32_t groups, row_bytes, skip, rows, count, half;
} pool_run;

typedef void pool_routine(const int8_t *in, int8_t *out, const pool_run *run);

typedef struct {
    pool_shape place;
    int32_t groups;
    pool_routine *routine;
} pool_2d_armv7em_shape;

KERNEL void pool_2d_armv7em(const pool_2d_armv7em_shape *s, const int8_t *in, int8_t *out) {
    const pool_shape *p = &s->place;
    const int32_t row = p->in_w * p->channels;
    for (int32_t b = 0; b < p->batches; b++, in += p->in_h * row) {
        for (int32_t oy = 0; oy < p->out_h; oy++) {
            const pool_range y = pool_window(oy, p->stride_h, p->pad_h, p->kernel_h, p->in_h);
            for (int32_t ox = 0; ox < p->out_w; ox++, out += p->channels) {
                const pool_range x = pool_window(ox, p->stride_w, p->pad_w, p->kernel_w, p->in_w);
                const int32_t bytes = (x.end - x.begin) * p->channels, rows = y.end - y.begin;
                const int32_t count = (x.end - x.begin) * rows, whole = bytes == row; /* whole rows are one */
                const pool_run run = {s->groups, whole ? rows * row : bytes, row - bytes, whole ? 1 : rows, count,
                                      count / 2};
                s->routine(in + y.begin * row + x.begin * p->channels, out, &run);
            }
        }
    }
}

#endif
