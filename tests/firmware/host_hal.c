/* The firmware's command loop on the host: the serial port is stdin and stdout, the model is two short layers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "hal.h"
#include "model.h"
#include "stack.h"

#define WIDE_BYTES 10000

static uint8_t input[MODEL_INPUT_BYTES], wide[WIDE_BYTES], output[MODEL_OUTPUT_BYTES];
static uint32_t now;

void hal_init(void) {}

uint8_t hal_read(void) {
    const int byte = getchar();
    if (byte == EOF)
        exit(0);
    return (uint8_t)byte;
}

void hal_write(uint8_t byte) { putchar(byte); }
void hal_flush(void) { fflush(stdout); }
uint32_t hal_ticks(void) { return now++; }
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

void model_init(void) {}

/* Each layer destroys what it read, as layers that share memory do. The first repeats its input, one more each time. */
static void widen(void) {
    now += 4;
    for (int i = 0; i < WIDE_BYTES; i++)
        wide[i] = (uint8_t)(input[i % MODEL_INPUT_BYTES] + i / MODEL_INPUT_BYTES);
    memset(input, 99, sizeof input);
}

static void add_one(void) {
    now += 6;
    for (int i = 0; i < MODEL_OUTPUT_BYTES; i++)
        output[i] = (uint8_t)(wide[i] + 1);
    memset(wide, 99, sizeof wide);
}

void (*const model_layers[MODEL_LAYERS])(void) = {widen, add_one};
const model_layer_output model_layer_outputs[MODEL_LAYERS] = {{wide, WIDE_BYTES}, {output, MODEL_OUTPUT_BYTES}};

void model_invoke(void) {
    widen();
    add_one();
}

const model_tensor *model_tensors(int *inputs, int *outputs) {
    static const int32_t in_shape[] = {1, MODEL_INPUT_BYTES}, out_shape[] = {MODEL_OUTPUT_BYTES};
    static const model_tensor tensors[] = {
        {"in", in_shape, 2, MODEL_INT8, MODEL_INPUT_BYTES, 0.5f, -3, input},
        {"out", out_shape, 1, MODEL_INT8, MODEL_OUTPUT_BYTES, 0.25f, 7, output},
    };
    *inputs = *outputs = 1;
    return tensors;
}

int main(void) { commands_run(); }
