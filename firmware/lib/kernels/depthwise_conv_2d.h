/* DEPTHWISE_CONV_2D, int8, per tensor or per channel, any stride, padding, dilation and depth multiplier.
 *
 * in: batches x in_h x in_w x in_c; out: batches x out_h x out_w x out_c, out_c = in_c * depth_multiplier.
 * Weights: kernel_h x kernel_w x out_c, as in the file. The input's zero point is folded into the bias as in
 * product.h, so a tap that falls into the padding adds zero_point * w.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/integer_ops/depthwise_conv.h. */
#ifndef HARNESS_DEPTHWISE_CONV_2D_H
#define HARNESS_DEPTHWISE_CONV_2D_H

#include "requantize.h"

typedef struct {
    int32_t batches, in_h, in_w, in_c, out_h, out_w, out_c, depth_multiplier;
    int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int32_t input_zero_point;
    requantize_shape output;
} depthwise_conv_2d_shape;

/* Channels c ... c + count - 1 of one output pixel; count is 1 or 4 and known to the compiler, as is `inside`: whether
 * the whole window lies inside the input, so that no tap needs a test. Inside, a tap costs 3 instructions a channel
 * (load x, load w, MLA). */
KERNEL void depthwise_conv_2d_channels(const depthwise_conv_2d_shape *s, const int8_t *in, int32_t top, int32_t left,
                                       const int8_t *weights, const int32_t *bias, const int32_t *multiplier,
                                       const int8_t *shift, int8_t *out, int32_t c, const int32_t count,
                                       const int inside) {
    uint32_t sum[4];
    KERNEL_UNROLL
    for (int32_t n = 0; n < count; n++)
        sum[n] = (uint32_t)bias[c + n];
    const int8_t *w = weights + c;
    for (int32_t ky = 0; ky < s->kernel_h; ky++) {
        const int32_t y = top + ky * s->dilation_h;
        const int8_t *pixel = in + (y * s->in_w + left) * s->in_c;
        KERNEL_UNROLL
        for (int32_t kx = 0; kx < s->kernel_w; kx++, w += s->out_c, pixel += s->dilation_w * s->in_c) {
            const int32_t x = left + kx * s->dilation_w;
            if (inside || (y >= 0 && y < s->in_h && x >= 0 && x < s->in_w)) {
                KERNEL_UNROLL
                for (int32_t n = 0; n < count; n++)
                    sum[n] += (uint32_t)(pixel[(c + n) / s->depth_multiplier] * w[n]);
            } else {
                KERNEL_UNROLL
                for (int32_t n = 0; n < count; n++)
                    sum[n] += (uint32_t)(s->input_zero_point * w[n]);
            }
        }
    }
    KERNEL_UNROLL
    for (int32_t n = 0; n < count; n++)
        out[c + n] = requantize_channel(&s->output, sum[n], multiplier, shift, c + n);
}

/* All channels of one output pixel. */
KERNEL void depthwise_conv_2d_pixel(const depthwise_conv_2d_shape *s, const int8_t *in, int32_t top, int32_t left,
                                    const int8_t *weights, const int32_t *bias, const int32_t *multiplier,
                                    const int8_t *shift, int8_t *out, const int inside) {
    const int32_t whole = s->out_c - s->out_c % 4;
    for (int32_t c = 0; c < whole; c += 4)
        depthwise_conv_2d_channels(s, in, top, left, weights, bias, multiplier, shift, out, c, 4, inside);
    for (int32_t c = whole; c < s->out_c; c++)
        depthwise_conv_2d_channels(s, in, top, left, weights, bias, multiplier, shift, out, c, 1, inside);
}

KERNEL void depthwise_conv_2d(const depthwise_conv_2d_shape *s, const int8_t *in, const int8_t *weights,
                              const int32_t *bias, const int32_t *multiplier, const int8_t *shift, int8_t *out) {
    const int32_t last_h = s->in_h - (s->kernel_h - 1) * s->dilation_h - 1;
    const int32_t last_w = s->in_w - (s->kernel_w - 1) * s->dilation_w - 1;
    for (int32_t b = 0; b < s->batches; b++, in += s->in_h * s->in_w * s->in_c) {
        for (int32_t y = 0; y < s->out_h; y++) {
            for (int32_t x = 0; x < s->out_w; x++, out += s->out_c) {
                const int32_t top = y * s->stride_h - s->pad_h, left = x * s->stride_w - s->pad_w;
                if (top >= 0 && left >= 0 && top <= last_h && left <= last_w)
                    depthwise_conv_2d_pixel(s, in, top, left, weights, bias, multiplier, shift, out, 1);
                else
                    depthwise_conv_2d_pixel(s, in, top, left, weights, bias, multiplier, shift, out, 0);
            }
        }
    }
}

#endif
