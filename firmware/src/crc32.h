#ifndef CRC32_H
#define CRC32_H

#include <stdint.h>

/* CRC-32 (ISO-HDLC, as zlib's): start with 0, feed bytes in any number of pieces. */
uint32_t crc32(uint32_t crc, const uint8_t *bytes, uint32_t count);

#endif
