/* What average and maximum pooling share: the part of a window that lies inside the input.
 *
 * in: batches x in_h x in_w x channels; out: batches x out_h x out_w x channels. Padding takes no part in the result.
 * Every window has at least one pixel inside (the compiler checks). */
#ifndef HARNESS_POOL_H
#define HARNESS_POOL_H

#include "kernel.h"

typedef struct {
    int32_t batches, in_h, in_w, channels, out_h, out_w;
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    int32_t output_min, output_max;
} pool_shape;

/* The window's first and one-past-last index along one axis. */
typedef struct {
    int32_t begin, end;
} pool_range;

KERNEL pool_range pool_window(int32_t out, int32_t stride, int32_t pad, int32_t kernel, int32_t size) {
    const int32_t begin = out * stride - pad, end = begin + kernel;
    const pool_range range = {begin < 0 ? 0 : begin, end > size ? size : end};
    return range;
}

#endif
