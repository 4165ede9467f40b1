#include "cobs.h"
#include "crc32.h"
#include "frame.h"
#include "hal.h"

#define CONTENT (FRAME_HEADER + FRAME_PAYLOAD + FRAME_TRAILER)
#define ENCODED (CONTENT + CONTENT / 254 + 1)

static uint8_t buffer[ENCODED];

/* Fills the buffer with what stands between two zeros and returns its length. Bytes that come before the first zero
 * belong to nobody. An empty pair is taken for one delimiter, so a lost zero costs one frame, not all that follow. */
static uint32_t receive_encoded(int inside) {
    while (!inside)
        inside = hal_read() == 0;
    uint32_t count = 0;
    for (;;) {
        const uint8_t byte = hal_read();
        if (byte != 0) {
            if (count < ENCODED)
                buffer[count] = byte;
            count++;
        } else if (count > 0) {
            return count;
        }
    }
}

/* Checks a frame; 0 where it is right. */
static frame_error check(uint32_t encoded, int32_t *length) {
    if (encoded > ENCODED)
        return ERROR_LENGTH;
    *length = cobs_decode(buffer, encoded);
    if (*length < FRAME_HEADER + FRAME_TRAILER)
        return ERROR_FRAMING;
    const uint32_t content = (uint32_t)*length - FRAME_TRAILER;
    if (crc32(0, buffer, content) != u32_at(buffer + content))
        return ERROR_CRC;
    if (buffer[0] != FRAME_VERSION)
        return ERROR_VERSION;
    return 0;
}

frame frame_receive(void) {
    static const char *const texts[] = {
        [ERROR_FRAMING] = "expected a COBS frame, got broken bytes",
        [ERROR_CRC] = "the CRC-32 does not match",
        [ERROR_VERSION] = "expected protocol version 1",
        [ERROR_LENGTH] = "the frame is longer than this firmware's buffer",
    };
    /* After a broken frame its last zero may have been the first of the next one. */
    for (int inside = 0;; inside = 1) {
        int32_t length = 0;
        const frame_error error = check(receive_encoded(inside), &length);
        if (error == 0) {
            const frame request = {buffer[1], (uint16_t)u16_at(buffer + 2), buffer + FRAME_HEADER,
                                   (uint32_t)length - FRAME_HEADER - FRAME_TRAILER};
            return request;
        }
        reply_error(0, error, texts[error]);
    }
}
