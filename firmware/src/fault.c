/* A fault on bare metal ends in a report to the host, not in silence. */
#include "frame.h"

void fault_report(const uint32_t *stacked);

void fault_report(const uint32_t *stacked) {
    static char text[] = "the firmware faulted at pc 0x00000000";
    const uint32_t pc = stacked[6];
    for (uint32_t i = 0; i < 8; i++)
        text[sizeof text - 2 - i] = "0123456789abcdef"[pc >> (4 * i) & 15];
    reply_error(0, ERROR_FAULT, text);
}
