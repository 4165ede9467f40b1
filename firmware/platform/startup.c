/* Reset, faults and the vector table of a bare-metal Cortex-M program. */
#include <stdint.h>

extern uint32_t data_image[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
int main(void);

/* Told what was stacked when a fault hit (r0-r3, r12, lr, pc, psr). The serial firmware overrides it with a report to
 * the host; the size ELFs have nobody to tell. */
__attribute__((weak)) void fault_report(const uint32_t *stacked) { (void)stacked; }

__attribute__((naked)) static void fault_handler(void) {
    __asm__ volatile("mrs r0, msp\n"
                     "bl fault_report\n"
                     "1: b 1b");
}

void reset_handler(void) {
    volatile uint32_t *const coprocessor_access = (volatile uint32_t *)0xE000ED88u;
    *coprocessor_access |= 0xFu << 20; /* the FPU, before anything could use it */
    __asm__ volatile("dsb\nisb");
    const uint32_t *image = data_image;
    for (uint32_t *p = data_start; p < data_end; p++)
        *p = *image++;
    for (uint32_t *p = bss_start; p < bss_end; p++)
        *p = 0;
    main();
    for (;;) {
    }
}

typedef union {
    void *stack;
    void (*handler)(void);
} vector;

/* Only the core's own exceptions: no interrupt is ever enabled. */
__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = stack_top},       {.handler = reset_handler}, {.handler = fault_handler}, {.handler = fault_handler},
    {.handler = fault_handler}, {.handler = fault_handler}, {.handler = fault_handler},
};
