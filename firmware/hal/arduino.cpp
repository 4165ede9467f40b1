/* Arduino Nano 33 BLE (nRF52840) on ArduinoCore-mbed: USB serial, the core's cycle counter.
 *
 * Not tested on hardware: written from the core's sources (4.5). The one file that is not C, because the core's
 * serial port is a C++ object. */
#include <Arduino.h>
#include <mbed.h>
#include <rtx_os.h>

#include "hal.h"

extern "C" void commands_run(void);

static uint32_t interrupt_mask;

void hal_init(void) {
    Serial.begin(115200); /* USB: the rate is ignored */
    while (!Serial) {
    }
    /* The variant's start-up writes 0 to DEMCR, so the counter stands still until it is enabled again, here. */
    CoreDebug->DEMCR |= CoreDebug_DEMCR_TRCENA_Msk;
    DWT->CYCCNT = 0;
    DWT->CTRL |= DWT_CTRL_CYCCNTENA_Msk;
    /* Flash has wait states at 64 MHz; figures are with the instruction cache on. */
    NRF_NVMC->ICACHECNF = NVMC_ICACHECNF_CACHEEN_Enabled << NVMC_ICACHECNF_CACHEEN_Pos;
}

uint8_t hal_read(void) {
    while (!Serial.available())
        yield();
    return (uint8_t)Serial.read();
}

/* USB sends packets; single bytes would cost one each. */
static uint8_t pending[64];
static uint32_t pending_bytes;

void hal_write(uint8_t byte) {
    pending[pending_bytes++] = byte;
    if (pending_bytes == sizeof pending)
        hal_flush();
}

void hal_flush(void) {
    if (pending_bytes)
        Serial.write(pending, pending_bytes);
    pending_bytes = 0;
}

uint32_t hal_ticks(void) { return DWT->CYCCNT; }

uint32_t hal_ticks_hz(void) { return SystemCoreClock; }

hal_counter_kind hal_ticks_kind(void) { return HAL_CYCLES; }

uint32_t hal_clock_hz(void) { return SystemCoreClock; }

/* The sketch runs on an RTOS thread: its stack is the one to paint. The lowest word holds the RTOS's guard value. */
uint32_t *hal_stack_limit(void) {
    const osRtxThread_t *thread = (const osRtxThread_t *)osThreadGetId();
    return (uint32_t *)thread->stack_mem + 1;
}

void hal_quiet_begin(void) {
    interrupt_mask = __get_PRIMASK();
    __disable_irq();
}

void hal_quiet_end(void) { __set_PRIMASK(interrupt_mask); }

void setup() { hal_init(); }

void loop() { commands_run(); }
