/* A model of two short layers, each a known number of ticks long. */
#include "model.h"

#include <string.h>

#define WIDE_BYTES 10000

static uint8_t input[MODEL_INPUT_BYTES], wide[WIDE_BYTES], output[MODEL_OUTPUT_BYTES];
extern uint32_t host_ticks;

void model_init(void) {}

/* Each layer destroys what it read, as layers that share memory do. The first repeats its input, one more each time. */
static void widen(void) {
    host_ticks += 4;
    for (int i = 0; i < WIDE_BYTES; i++)
        wide[i] = (uint8_t)(input[i % MODEL_INPUT_BYTES] + i / MODEL_INPUT_BYTES);
    memset(input, 99, sizeof input);
}

static void add_one(void) {
    host_ticks += 6;
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
