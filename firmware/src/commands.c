#include "commands.h"

#include <string.h>

#include "frame.h"
#include "hal.h"
#include "measure.h"
#include "model.h"
#include "stack.h"

static void load_inputs(const uint8_t *bytes) {
    int inputs, outputs;
    const model_tensor *tensor = model_tensors(&inputs, &outputs);
    for (int i = 0; i < inputs; i++, bytes += tensor->bytes, tensor++)
        memcpy(tensor->data, bytes, tensor->bytes);
}

static void reply_outputs(void) {
    int inputs, outputs;
    const model_tensor *tensors = model_tensors(&inputs, &outputs);
    for (int i = inputs; i < inputs + outputs; i++)
        reply_bytes(tensors[i].data, tensors[i].bytes);
}

static uint8_t hex_digit(char c) { return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10); }

static void reply_sha256(void) {
    const char *hex = MODEL_SHA256;
    for (int i = 0; i < 32; i++)
        reply_u8((uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1])));
}

static void reply_tensor(const model_tensor *tensor) {
    uint32_t scale;
    memcpy(&scale, &tensor->scale, 4);
    reply_u8((uint8_t)tensor->type);
    reply_u8((uint8_t)tensor->rank);
    for (int i = 0; i < tensor->rank; i++)
        reply_u32((uint32_t)tensor->shape[i]);
    reply_u32(scale);
    reply_u32((uint32_t)tensor->zero_point);
    reply_u32(tensor->bytes);
}

static void hello(const frame *request) {
    int inputs, outputs;
    const model_tensor *tensors = model_tensors(&inputs, &outputs);
    reply_begin(FRAME_HELLO | FRAME_REPLY, request->sequence);
    reply_u8(FRAME_VERSION);
    reply_u8((uint8_t)hal_ticks_kind());
    reply_u16(MODEL_LAYERS);
    reply_u32(hal_clock_hz());
    reply_u32(hal_ticks_hz());
    reply_u32(FRAME_PAYLOAD);
    reply_sha256();
    reply_u8((uint8_t)inputs);
    reply_u8((uint8_t)outputs);
    for (int i = 0; i < inputs + outputs; i++)
        reply_tensor(&tensors[i]);
    reply_end();
}

static void infer(const frame *request) {
    const uint8_t *p = request->payload;
    const uint32_t count = request->payload_bytes < 2 ? 0 : u16_at(p);
    if (request->payload_bytes < 2 || request->payload_bytes - 2 != count * MODEL_INPUT_BYTES) {
        reply_error(request->sequence, ERROR_LENGTH, "expected a count and that many inputs");
        return;
    }
    reply_begin(FRAME_INFER | FRAME_REPLY, request->sequence);
    reply_u16((uint16_t)count);
    for (uint32_t i = 0; i < count; i++) {
        load_inputs(p + 2 + i * MODEL_INPUT_BYTES);
        model_invoke();
        reply_outputs();
    }
    reply_end();
}

/* Three runs of the same input: one timed whole, one timed layer by layer, one for the stack. The last one's outputs
 * are sent, so that they also show that the input was right each time. */
static void measure(const frame *request) {
    if (request->payload_bytes != MODEL_INPUT_BYTES) {
        reply_error(request->sequence, ERROR_LENGTH, "expected one input");
        return;
    }
    load_inputs(request->payload);
    const uint32_t ticks = measure_ticks(model_invoke);
    load_inputs(request->payload);
    static uint32_t layers[MODEL_LAYERS];
    for (int i = 0; i < MODEL_LAYERS; i++)
        layers[i] = measure_ticks(model_layers[i]);
    load_inputs(request->payload);
    const uint32_t stack = stack_depth(model_invoke);
    reply_begin(FRAME_MEASURE | FRAME_REPLY, request->sequence);
    reply_u32(ticks);
    reply_u32(stack);
    reply_u16(MODEL_LAYERS);
    for (int i = 0; i < MODEL_LAYERS; i++)
        reply_u32(layers[i]);
    reply_outputs();
    reply_end();
}

/* Runs the layers up to one and sends what that one wrote, from an offset on, as much as a payload may hold; the host
 * asks again for the rest. Nothing is kept between requests, so each may be repeated. */
static void trace(const frame *request) {
    if (request->payload_bytes != FRAME_TRACE_HEADER + MODEL_INPUT_BYTES) {
        reply_error(request->sequence, ERROR_LENGTH, "expected a layer, an offset and one input");
        return;
    }
    const uint32_t layer = u16_at(request->payload), offset = u32_at(request->payload + 2);
    if (layer >= MODEL_LAYERS || offset >= model_layer_outputs[layer].bytes) {
        reply_error(request->sequence, ERROR_RANGE, "expected a layer of the model and an offset inside its output");
        return;
    }
    load_inputs(request->payload + FRAME_TRACE_HEADER);
    for (uint32_t i = 0; i <= layer; i++)
        model_layers[i]();
    const model_layer_output *output = &model_layer_outputs[layer];
    const uint32_t left = output->bytes - offset, most = FRAME_PAYLOAD - 4;
    reply_begin(FRAME_TRACE | FRAME_REPLY, request->sequence);
    reply_u32(output->bytes);
    reply_bytes((const uint8_t *)output->data + offset, left < most ? left : most);
    reply_end();
}

void commands_run(void) {
    model_init();
    for (;;) {
        const frame request = frame_receive();
        switch (request.type) {
        case FRAME_HELLO:
            hello(&request);
            break;
        case FRAME_INFER:
            infer(&request);
            break;
        case FRAME_MEASURE:
            measure(&request);
            break;
        case FRAME_TRACE:
            trace(&request);
            break;
        default:
            reply_error(request.sequence, ERROR_TYPE, "expected HELLO, INFER, MEASURE or TRACE");
        }
    }
}
