/* QEMU's mps2-an386: Cortex-M4F, CMSDK UART0, CMSDK TIMER0 at 25 MHz.
 *
 * Under `-icount shift=N` each instruction takes 2^N ns of emulated time, so TIMER0 is an instruction clock: at
 * shift 8 it advances 6.4 ticks an instruction. The difference of two calibrated intervals is off by less than two
 * ticks, a third of an instruction: rounding finds the exact count, up to 670 million. */
#include "hal.h"

typedef struct {
    volatile uint32_t data, state, control, interrupt, baud_divider;
} cmsdk_uart;

typedef struct {
    volatile uint32_t control, value, reload;
} cmsdk_timer;

#define UART0 ((cmsdk_uart *)0x40004000u)
#define TIMER0 ((cmsdk_timer *)0x40000000u)
#define TIMER_HZ 25000000u
#define UART_TX_FULL 1u
#define UART_RX_FULL 2u

extern uint32_t stack_limit[];

void hal_init(void) {
    UART0->baud_divider = 16; /* the smallest the device accepts; the emulated line is as fast as the host */
    UART0->control = 3;       /* transmit and receive */
    TIMER0->reload = UINT32_MAX;
    TIMER0->value = UINT32_MAX;
    TIMER0->control = 1;
}

uint8_t hal_read(void) {
    while (!(UART0->state & UART_RX_FULL)) {
    }
    return (uint8_t)UART0->data;
}

void hal_write(uint8_t byte) {
    while (UART0->state & UART_TX_FULL) {
    }
    UART0->data = byte;
}

void hal_flush(void) {}

uint32_t hal_ticks(void) { return UINT32_MAX - TIMER0->value; }

uint32_t hal_ticks_hz(void) { return TIMER_HZ; }

hal_counter_kind hal_ticks_kind(void) { return HAL_INSTRUCTIONS; }

uint32_t hal_clock_hz(void) { return HARNESS_CLOCK_HZ; }

uint32_t *hal_stack_limit(void) { return stack_limit; }

void hal_quiet_begin(void) {}

void hal_quiet_end(void) {}
