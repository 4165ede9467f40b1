/* QEMU's mps2-an386: Cortex-M4F, CMSDK TIMER0 at 25 MHz, and the semihosting console as the serial port.
 *
 * Under `-icount shift=N` each instruction takes 2^N ns of emulated time, so TIMER0 is an instruction clock: at
 * shift 8 it advances 6.4 ticks an instruction. The difference of two calibrated intervals is off by less than two
 * ticks, a third of an instruction: rounding finds the exact count, up to 670 million.
 *
 * The machine's UARTs take one byte at a time from the emulator's main loop, 25 us each: a picture of 3 KB would take
 * longer than its inference. The console reads and writes the emulator's own stdin and stdout, which the host makes a
 * pseudo terminal, in blocks (Arm semihosting 2.0, SYS_OPEN of ":tt"): 70 MB/s. */
#include "hal.h"

typedef struct {
    volatile uint32_t control, value, reload;
} cmsdk_timer;

#define TIMER0 ((cmsdk_timer *)0x40000000u)
#define TIMER_HZ 25000000u

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT = 0x18 };
enum { OPEN_READ = 0, OPEN_WRITE = 4 };
#define APPLICATION_EXIT ((const void *)0x20026)

extern uint32_t stack_limit[];

static struct {
    uint8_t bytes[1024];
    uint32_t next, count;
    int32_t handle;
} received;

static struct {
    uint8_t bytes[1024];
    uint32_t count;
    int32_t handle;
} pending;

static int32_t semihosting(int32_t operation, const void *arguments) {
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static int32_t open_console(uint32_t mode) {
    const struct {
        const char *name;
        uint32_t mode, length;
    } arguments = {":tt", mode, 3};
    return semihosting(SYS_OPEN, &arguments);
}

/* SYS_READ and SYS_WRITE return how many bytes they did not transfer, or something negative. */
static int32_t transfer(int32_t operation, int32_t handle, void *bytes, uint32_t count) {
    const struct {
        int32_t handle;
        void *bytes;
        uint32_t count;
    } arguments = {handle, bytes, count};
    return semihosting(operation, &arguments);
}

void hal_init(void) {
    received.handle = open_console(OPEN_READ);
    pending.handle = open_console(OPEN_WRITE);
    TIMER0->reload = UINT32_MAX;
    TIMER0->value = UINT32_MAX;
    TIMER0->control = 1;
}

/* Where nothing can come any more, the host is gone: the emulator must not outlive it. */
uint8_t hal_read(void) {
    if (received.next == received.count) {
        const int32_t left = transfer(SYS_READ, received.handle, received.bytes, sizeof received.bytes);
        if (left < 0 || left == (int32_t)sizeof received.bytes)
            semihosting(SYS_EXIT, APPLICATION_EXIT);
        received.next = 0;
        received.count = sizeof received.bytes - (uint32_t)left;
    }
    return received.bytes[received.next++];
}

void hal_write(uint8_t byte) {
    pending.bytes[pending.count++] = byte;
    if (pending.count == sizeof pending.bytes)
        hal_flush();
}

void hal_flush(void) {
    if (pending.count)
        transfer(SYS_WRITE, pending.handle, pending.bytes, pending.count);
    pending.count = 0;
}

uint32_t hal_ticks(void) { return UINT32_MAX - TIMER0->value; }

uint32_t hal_ticks_hz(void) { return TIMER_HZ; }

hal_counter_kind hal_ticks_kind(void) { return HAL_INSTRUCTIONS; }

uint32_t hal_clock_hz(void) { return HARNESS_CLOCK_HZ; }

uint32_t *hal_stack_limit(void) { return stack_limit; }

void hal_quiet_begin(void) {}

void hal_quiet_end(void) {}
