/* CONV_2D, int8, per tensor or per channel, any stride, padding and dilation.
 *
 * in: batches x in_h x in_w x in_c; out: batches x out_h x out_w x out_c.
 * The window of an output is copied into `patch` (kernel_h * kernel_w * in_c bytes, padding filled with the input's
 * zero point, which is what makes the folded bias of product.h right at borders too), then multiplied by every
 * channel. Where a window is one pixel without padding, it is read in place and `patch` is not touched.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/integer_ops/conv.h. */
#ifndef HARNESS_CONV_2D_H
#define HARNESS_CONV_2D_H

#include "product.h"

typedef struct {
    int32_t batches, in_h, in_w, in_c, out_h, out_w, out_c;
    int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int32_t pointwise; /* one pixel a window, no padding */
    int32_t input_zero_point;
    requantize_shape output;
} conv_2d_shape;

KERNEL void conv_2d_gather(const conv_2d_shape *s, const int8_t *in, int32_t top, int32_t left, int8_t *patch) {
    for (int32_t ky = 0; ky < s->kernel_h; ky++) {
        const int32_t y = top + ky * s->dilation_h;
        for (int32_t kx = 0; kx < s->kernel_w; kx++, patch += s->in_c) {
            const int32_t x = left + kx * s->dilation_w;
            if (y >= 0 && y < s->in_h && x >= 0 && x < s->in_w)
                memcpy(patch, in + (y * s->in_w + x) * s->in_c, (size_t)s->in_c);
            else
                memset(patch, s->input_zero_point, (size_t)s->in_c);
        }
    }
}

KERNEL void conv_2d(const conv_2d_shape *s, const int8_t *in, const int8_t *weights, const int32_t *bias,
                    const int32_t *multiplier, const int8_t *shift, int8_t *patch, int8_t *out) {
    const product_shape window = {s->kernel_h * s->kernel_w * s->in_c, s->out_c, s->output};
    for (int32_t b = 0; b < s->batches; b++, in += s->in_h * s->in_w * s->in_c) {
        for (int32_t y = 0; y < s->out_h; y++) {
            for (int32_t x = 0; x < s->out_w; x++, out += s->out_c) {
                const int32_t top = y * s->stride_h - s->pad_h, left = x * s->stride_w - s->pad_w;
                const int8_t *values = patch;
                if (s->pointwise)
                    values = in + (top * s->in_w + left) * s->in_c;
                else
                    conv_2d_gather(s, in, top, left, patch);
                product(&window, values, weights, bias, multiplier, shift, out);
            }
        }
    }
}

#endif
