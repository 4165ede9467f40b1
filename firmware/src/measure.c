#include "measure.h"

#include "hal.h"

static void nothing(void) {}

static uint32_t ticks_around(void (*volatile function)(void)) {
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
