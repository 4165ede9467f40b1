/* Copying bytes forwards, quickly: newlib-nano's memcpy takes four instructions a byte. */
#ifndef HARNESS_COPY_H
#define HARNESS_COPY_H

#include "kernel.h"

/* Copy `bytes`, 0 or more, from the first to the last; the ranges may overlap where target < source. */
KERNEL void copy_down(int8_t *target, const int8_t *source, int32_t bytes) {
    for (; bytes >= 16; bytes -= 16, source += 16, target += 16) {
        uint32_t w[4];
        memcpy(w, source, 16);
        memcpy(target, w, 16);
    }
    for (; bytes >= 4; bytes -= 4, source += 4, target += 4) {
        uint32_t w;
        memcpy(&w, source, 4);
        memcpy(target, &w, 4);
    }
    for (; bytes > 0; bytes--)
        *target++ = *source++;
}

#endif
