#include "cobs.h"

int32_t cobs_decode(uint8_t *bytes, uint32_t count) {
    uint32_t in = 0, out = 0;
    while (in < count) {
        const uint32_t code = bytes[in++];
        if (code == 0 || in + code - 1 > count)
            return -1;
        for (uint32_t i = 1; i < code; i++)
            bytes[out++] = bytes[in++];
        if (code < 255 && in < count)
            bytes[out++] = 0;
    }
    return (int32_t)out;
}
