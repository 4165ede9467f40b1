/* The firmware's command loop on the host: the serial port is stdin and stdout. */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "hal.h"
#include "stack.h"

uint32_t host_ticks;

void hal_init(void) {}

uint8_t hal_read(void) {
    const int byte = getchar();
    if (byte == EOF)
        exit(0);
    return (uint8_t)byte;
}

void hal_write(uint8_t byte) { putchar(byte); }
void hal_flush(void) { fflush(stdout); }
uint32_t hal_ticks(void) { return host_ticks++; }
uint32_t hal_ticks_hz(void) { return 1000; }
hal_counter_kind hal_ticks_kind(void) { return HAL_CYCLES; }
uint32_t hal_clock_hz(void) { return 64000000; }
uint32_t *hal_stack_limit(void) { return 0; }
void hal_quiet_begin(void) {}
void hal_quiet_end(void) {}

/* The real one paints the stack below an ARM stack pointer. */
uint32_t stack_depth(void (*function)(void)) {
    function();
    return 96;
}

int main(void) { commands_run(); }
