#ifndef MEASURE_H
#define MEASURE_H

#include <stdint.h>

/* The ticks that one call of `function` takes, more than a call of an empty function takes. */
uint32_t measure_ticks(void (*function)(void));

#endif
