#ifndef COBS_H
#define COBS_H

#include <stdint.h>

/* Decodes `count` bytes without their delimiters in place (Cheshire and Baker, "Consistent Overhead Byte Stuffing").
 * Returns the decoded length, or -1 where the bytes are no COBS. */
int32_t cobs_decode(uint8_t *bytes, uint32_t count);

#endif
