/* MAX_POOL_2D, int8: the largest value of each window, clamped.
 *
 * Shapes as in pool.h; input and output have the same scale and zero point.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h. */
#ifndef HARNESS_MAX_POOL_2D_H
#define HARNESS_MAX_POOL_2D_H

#include "pool.h"

typedef pool_shape max_pool_2d_shape;

KERNEL void max_pool_2d(const max_pool_2d_shape *s, const int8_t *in, int8_t *out) {
    for (int32_t b = 0; b < s->batches; b++, in += s->in_h * s->in_w * s->channels) {
        for (int32_t oy = 0; oy < s->out_h; oy++) {
            const pool_range rows = pool_window(oy, s->stride_h, s->pad_h, s->kernel_h, s->in_h);
            for (int32_t ox = 0; ox < s->out_w; ox++) {
                const pool_range columns = pool_window(ox, s->stride_w, s->pad_w, s->kernel_w, s->in_w);
                for (int32_t c = 0; c < s->channels; c++) {
                    int32_t largest = INT8_MIN;
                    for (int32_t y = rows.begin; y < rows.end; y++)
                        for (int32_t x = columns.begin; x < columns.end; x++) {
                            const int32_t value = in[(y * s->in_w + x) * s->channels + c];
                            if (value > largest)
                                largest = value;
                        }
                    *out++ = kernel_clamp(largest, s->output_min, s->output_max);
                }
            }
        }
    }
}

#endif
