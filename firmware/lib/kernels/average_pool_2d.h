/* AVERAGE_POOL_2D, int8: the mean of each window, rounded half away from zero, clamped.
 *
 * Shapes as in pool.h; input and output have the same scale and zero point.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h. */
#ifndef HARNESS_AVERAGE_POOL_2D_H
#define HARNESS_AVERAGE_POOL_2D_H

#include "pool.h"

typedef pool_shape average_pool_2d_shape;

KERNEL void average_pool_2d(const average_pool_2d_shape *s, const int8_t *in, int8_t *out) {
    for (int32_t b = 0; b < s->batches; b++, in += s->in_h * s->in_w * s->channels) {
        for (int32_t oy = 0; oy < s->out_h; oy++) {
            const pool_range rows = pool_window(oy, s->stride_h, s->pad_h, s->kernel_h, s->in_h);
            for (int32_t ox = 0; ox < s->out_w; ox++) {
                const pool_range columns = pool_window(ox, s->stride_w, s->pad_w, s->kernel_w, s->in_w);
                const int32_t count = (rows.end - rows.begin) * (columns.end - columns.begin);
                for (int32_t c = 0; c < s->channels; c++) {
                    int32_t sum = 0;
                    for (int32_t y = rows.begin; y < rows.end; y++)
                        for (int32_t x = columns.begin; x < columns.end; x++)
                            sum += in[(y * s->in_w + x) * s->channels + c];
                    const int32_t half = sum > 0 ? count / 2 : -(count / 2);
                    *out++ = kernel_clamp((sum + half) / count, s->output_min, s->output_max);
                }
            }
        }
    }
}

#endif
