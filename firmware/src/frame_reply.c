#include <string.h>

#include "crc32.h"
#include "frame.h"
#include "hal.h"

/* One COBS block: up to 254 bytes without a zero, sent when it is full or when a zero ends it. */
static struct {
    uint8_t bytes[254];
    uint8_t count;
    uint32_t crc;
} block;

static void send_block(void) {
    hal_write((uint8_t)(block.count + 1));
    for (uint32_t i = 0; i < block.count; i++)
        hal_write(block.bytes[i]);
    block.count = 0;
}

static void stuff(uint8_t byte) {
    if (block.count == sizeof block.bytes)
        send_block();
    if (byte == 0)
        send_block();
    else
        block.bytes[block.count++] = byte;
}

void reply_begin(uint8_t type, uint16_t sequence) {
    hal_write(0);
    block.count = 0;
    block.crc = 0;
    reply_u8(FRAME_VERSION);
    reply_u8(type);
    reply_u16(sequence);
}

void reply_bytes(const void *bytes, uint32_t count) {
    const uint8_t *p = bytes;
    block.crc = crc32(block.crc, p, count);
    for (uint32_t i = 0; i < count; i++)
        stuff(p[i]);
}

void reply_u8(uint8_t value) { reply_bytes(&value, 1); }

void reply_u16(uint16_t value) {
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8)};
    reply_bytes(bytes, sizeof bytes);
}

void reply_u32(uint32_t value) {
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
    reply_bytes(bytes, sizeof bytes);
}

void reply_end(void) {
    reply_u32(block.crc);
    send_block();
    hal_write(0);
    hal_flush();
}

void reply_error(uint16_t sequence, frame_error code, const char *text) {
    reply_begin(FRAME_ERROR, sequence);
    reply_u8((uint8_t)code);
    reply_bytes(text, (uint32_t)strlen(text));
    reply_end();
}
