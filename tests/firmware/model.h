#ifndef TEST_MODEL_H
#define TEST_MODEL_H
#include <stdint.h>
typedef enum { MODEL_INT8 = 0, MODEL_FLOAT32 = 1 } model_type;
typedef struct {
    const char *name;
    const int32_t *shape;
    int32_t rank;
    model_type type;
    uint32_t bytes;
    float scale;
    int32_t zero_point;
    void *data;
} model_tensor;
void model_init(void);
void model_invoke(void);
const model_tensor *model_tensors(int *inputs, int *outputs);
#define MODEL_SHA256 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define MODEL_INPUT_BYTES 300
#define MODEL_OUTPUT_BYTES 5
#define MODEL_LAYERS 2
extern void (*const model_layers[MODEL_LAYERS])(void);
typedef struct {
    const void *data;
    uint32_t bytes;
} model_layer_output;
extern const model_layer_output model_layer_outputs[MODEL_LAYERS];
#endif
