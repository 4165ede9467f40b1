#include "stack.h"

#include "hal.h"

#define PAINT 0x5AFE57ACu

/* No call between reading the stack pointer and `function`, and nothing of this function's own lies below it; volatile
 * keeps the compiler from making a call to memset of the loop. */
uint32_t stack_depth(void (*function)(void)) {
    volatile uint32_t *const limit = hal_stack_limit();
    volatile uint32_t *top;
    __asm__ volatile("mov %0, sp" : "=r"(top));
    for (volatile uint32_t *p = limit; p < top; p++)
        *p = PAINT;
    function();
    const volatile uint32_t *p = limit;
    while (p < top && *p == PAINT)
        p++;
    return (uint32_t)((uintptr_t)top - (uintptr_t)p);
}
