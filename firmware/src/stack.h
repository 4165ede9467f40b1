#ifndef STACK_H
#define STACK_H

#include <stdint.h>

/* Runs `function` and returns the bytes of stack it used below the stack pointer at its entry: the free stack is
 * painted before, and looked at after. */
uint32_t stack_depth(void (*function)(void));

#endif
