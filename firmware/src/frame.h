/* The wire: 0x00, COBS(u8 version, u8 type, u16 sequence, payload, u32 CRC-32), 0x00; little-endian.
 *
 * A request is received whole into one buffer. A reply is written as a stream, so it needs no buffer of its length. */
#ifndef FRAME_H
#define FRAME_H

#include <stdint.h>

#include "model.h"

#define FRAME_VERSION 1
#define FRAME_HEADER 4  /* version, type, sequence */
#define FRAME_TRAILER 4 /* CRC-32 */

#define FRAME_TRACE_HEADER 6 /* u16 layer, u32 offset: in front of the input of a TRACE */

/* As many payload bytes as a request may have: a few samples, at least one, with what stands in front of it. */
#define FRAME_PAYLOAD (MODEL_INPUT_BYTES + FRAME_TRACE_HEADER > 4096 ? MODEL_INPUT_BYTES + FRAME_TRACE_HEADER : 4096)

typedef enum {
    FRAME_HELLO = 0x01,
    FRAME_INFER = 0x02,
    FRAME_MEASURE = 0x03,
    FRAME_TRACE = 0x04,
    FRAME_REPLY = 0x80,
    FRAME_ERROR = 0xFF
} frame_type;

typedef enum {
    ERROR_FRAMING = 1,
    ERROR_CRC = 2,
    ERROR_VERSION = 3,
    ERROR_TYPE = 4,
    ERROR_LENGTH = 5,
    ERROR_FAULT = 6,
    ERROR_RANGE = 7
} frame_error;

typedef struct {
    uint8_t type;
    uint16_t sequence;
    const uint8_t *payload;
    uint32_t payload_bytes;
} frame;

static inline uint32_t u16_at(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }

static inline uint32_t u32_at(const uint8_t *p) { return u16_at(p) | u16_at(p + 2) << 16; }

/* Waits for a request that is right in every respect; answers broken ones with an error and goes on. */
frame frame_receive(void);

void reply_begin(uint8_t type, uint16_t sequence);
void reply_bytes(const void *bytes, uint32_t count);
void reply_u8(uint8_t value);
void reply_u16(uint16_t value);
void reply_u32(uint32_t value);
void reply_end(void);

/* A whole error reply; `text` says what was expected and what came. */
void reply_error(uint16_t sequence, frame_error code, const char *text);

#endif
