#include "measure.h"

#include "hal.h"

static void nothing(void) {}

/* The one call through which everything is measured: the address behind it is where the block counter looks
 * (harness/device/blocks), so this must stay one function, with one indirect call. */
static __attribute__((noinline)) uint32_t ticks_around(void (*volatile function)(void)) {
    const uint32_t before = hal_ticks();
    function();
    return hal_ticks() - before;
}

uint32_t measure_ticks(void (*function)(void)) {
    hal_quiet_begin();
    const uint32_t empty = ticks_around(nothing);
    const uint32_t ticks = ticks_around(function);
    hal_quiet_end();
    return ticks > empty ? ticks - empty : 0;
}
