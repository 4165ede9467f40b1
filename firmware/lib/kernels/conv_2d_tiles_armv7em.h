/* CONV_2D, int8, 3x3, on a core with Armv7E-M's halfword multiplies: the tiles around three generated routines, which
 * multiply in a transformed domain (see the comment in the assembly file).
 *
 * in: batches x in_h rows of in_w x in_c; out: batches x out_h rows of out_w x out_c. A tile is `size` x `size` outputs
 * and reads `span` x `span` inputs, `tile_step` from the next. A band of tiles is read whole, transformed along its
 * columns, into `strip`, before any of its outputs is written; then come its tiles, two by two.
 * scratch: the strip, strip_bytes; the values and sums of two tiles, or, earlier, the input rows of a band that has
 * padding above or below; and the outputs of a tile that is not all inside.
 * Bit-exact with tensorflow/lite/kernels/internal/reference/integer_ops/conv.h; harness proves it for each channel. */
#ifndef HARNESS_CONV_2D_TILES_ARMV7EM_H
#define HARNESS_CONV_2D_TILES_ARMV7EM_H

#include "copy.h"

typedef void tiles_columns(const int8_t *rows, int32_t row, int8_t *strip, int32_t words);
typedef void tiles_products(const int8_t *strip, const int32_t *stream, int8_t *scratch, int32_t channels);
typedef void tiles_outputs(const int8_t *sums, int8_t *out, const int32_t *constants, int32_t row);

typedef struct {
    int32_t batches, in_h, in_w, in_c, pad_h, pad_w, input_zero_point;
    int32_t out_h, out_w, out_c;
    int32_t size, span, tile_step;
    int32_t column, columns;         /* of the strip: bytes of one, and how many */
    int32_t padding[6];              /* a column of padding, transformed: `span` words for each two channels */
    int32_t strip_bytes, sums, tile; /* where sums and a tile's outputs lie, from the strip's end */
    int32_t second;                  /* from one tile's sums to the other's */
    tiles_columns *transform;
    tiles_products *products;
    tiles_outputs *outputs;
} conv_2d_tiles_armv7em_shape;

/* Fill columns of the strip with padding. */
KERNEL void conv_2d_tiles_armv7em_pad(const conv_2d_tiles_armv7em_shape *s, int8_t *strip, int32_t columns) {
    const int32_t bytes = 4 * s->span;
    for (int8_t *end = strip + columns * s->column; strip < end; strip += bytes)
        memcpy(strip, s->padding, (size_t)bytes);
}

/* Return the rows of a band, the first of which is input row `top`: the input itself, or a copy with padding. */
KERNEL const int8_t *conv_2d_tiles_armv7em_rows(const conv_2d_tiles_armv7em_shape *s, const int8_t *in, int32_t top,
                                                int8_t *copy) {
    const int32_t row = s->in_w * s->in_c;
    if (top >= 0 && top + s->span <= s->in_h)
        return in + top * row;
    for (int32_t i = 0; i < s->span; i++) {
        if (top + i >= 0 && top + i < s->in_h)
            copy_down(copy + i * row, in + (top + i) * row, row);
        else
            memset(copy + i * row, s->input_zero_point, (size_t)row);
    }
    return copy;
}

/* Make a tile's outputs from its sums: rows x columns of them are inside. */
KERNEL void conv_2d_tiles_armv7em_finish(const conv_2d_tiles_armv7em_shape *s, const int8_t *sums,
                                         const int32_t *constants, int32_t rows, int32_t columns, int8_t *tile,
                                         int8_t *out) {
    const int32_t out_row = s->out_w * s->out_c, row = s->size * s->out_c;
    if (rows >= s->size && columns >= s->size) {
        s->outputs(sums, out, constants, out_row);
        return;
    }
    s->outputs(sums, tile, constants, row);
    for (int32_t y = 0; y < s->size && y < rows; y++)
        copy_down(out + y * out_row, tile + y * row, (columns < s->size ? columns : s->size) * s->out_c);
}

KERNEL void conv_2d_tiles_armv7em(const conv_2d_tiles_armv7em_shape *s, const int8_t *in, const int32_t *stream,
                                  const int32_t *constants, int8_t *strip, int8_t *out) {
    int8_t *const scratch = strip + s->strip_bytes;
    const int32_t inside = s->columns - s->pad_w < s->in_w ? s->columns - s->pad_w : s->in_w;
    const int32_t after = s->pad_w + inside, words = inside * s->in_c / 4;
    conv_2d_tiles_armv7em_pad(s, strip, s->pad_w);
    conv_2d_tiles_armv7em_pad(s, strip + after * s->column, s->columns - after);
    for (int32_t b = 0; b < s->batches; b++, in += s->in_h * s->in_w * s->in_c) {
        for (int32_t y = 0; y < s->out_h; y += s->size) {
            const int32_t top = y / s->size * s->tile_step - s->pad_h;
            const int8_t *rows = conv_2d_tiles_armv7em_rows(s, in, top, scratch);
            s->transform(rows, s->in_w * s->in_c, strip + s->pad_w * s->column, words);
            const int8_t *at = strip;
            for (int32_t x = 0; x < s->out_w; x += 2 * s->size, at += 2 * s->tile_step * s->column) {
                s->products(at, stream, scratch, s->out_c);
                for (int32_t tile = 0; tile < 2 && x + tile * s->size < s->out_w; tile++) {
                    const int32_t left = x + tile * s->size;
                    conv_2d_tiles_armv7em_finish(s, scratch + s->sums + tile * s->second, constants, s->out_h - y,
                                                 s->out_w - left, scratch + s->tile,
                                                 out + (y * s->out_w + left) * s->out_c);
                }
            }
        }
        out += s->out_h * s->out_w * s->out_c;
    }
}

#endif
