/* Everything the firmware asks of a board: a serial port, a clock to measure with, the end of the stack. */
#ifndef HAL_H
#define HAL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { HAL_INSTRUCTIONS = 0, HAL_CYCLES = 1 } hal_counter_kind;

void hal_init(void);

/* Waits for a byte from the host. */
uint8_t hal_read(void);

/* Sends a byte to the host, waiting while the port is busy; hal_flush sends what may still be held back. */
void hal_write(uint8_t byte);
void hal_flush(void);

/* A free-running counter of 32 bits that wraps, its rate in Hz, and what it counts: the emulated instruction clock,
 * or the core's cycles. */
uint32_t hal_ticks(void);
uint32_t hal_ticks_hz(void);
hal_counter_kind hal_ticks_kind(void);

/* The core's clock in Hz. */
uint32_t hal_clock_hz(void);

/* The lowest word that the running stack may use. */
uint32_t *hal_stack_limit(void);

/* Nothing may interrupt what is measured between these two. */
void hal_quiet_begin(void);
void hal_quiet_end(void);

#ifdef __cplusplus
}
#endif

#endif
