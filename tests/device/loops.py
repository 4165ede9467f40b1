"""A C folder whose layers are loops of known length: what an instruction counter must find is known beforehand."""

from collections.abc import Sequence
from pathlib import Path

SHA256 = "5a" * 32

_HEADER = """
#ifndef MODEL_H
#define MODEL_H
#include <stdint.h>
typedef enum {{ MODEL_INT8 = 0, MODEL_FLOAT32 = 1 }} model_type;
typedef struct {{
    const char *name;
    const int32_t *shape;
    int32_t rank;
    model_type type;
    uint32_t bytes;
    float scale;
    int32_t zero_point;
    void *data;
}} model_tensor;
void model_init(void);
void model_invoke(void);
const model_tensor *model_tensors(int *inputs, int *outputs);
#define MODEL_SHA256 "{sha256}"
#define MODEL_INPUT_BYTES 4
#define MODEL_OUTPUT_BYTES 4
#define MODEL_LAYERS {layers}
extern void (*const model_layers[MODEL_LAYERS])(void);
typedef struct {{
    const void *data;
    uint32_t bytes;
}} model_layer_output;
extern const model_layer_output model_layer_outputs[MODEL_LAYERS];
#endif
"""

_LAYER = """
__attribute__((naked, noinline)) void layer_{index}(void) {{
    __asm__ volatile("movw r0, #{low}\\n movt r0, #{high}\\n 1: subs r0, r0, #1\\n bne 1b\\n bx lr");
}}
"""

_SOURCE = """
#include "model.h"
static uint8_t arena[4] = {{0}};
{layers}
void model_init(void) {{}}
__attribute__((naked)) void model_invoke(void) {{
    __asm__ volatile("push {{r4, lr}}\\n {calls} pop {{r4, pc}}");
}}
void (*const model_layers[MODEL_LAYERS])(void) = {{{names}}};
const model_layer_output model_layer_outputs[MODEL_LAYERS] = {{{outputs}}};
const model_tensor *model_tensors(int *inputs, int *outputs) {{
    static const int32_t shape[] = {{4}};
    static const model_tensor tensors[] = {{{{"in", shape, 1, MODEL_INT8, 4, 1.0f, 0, arena}},
                                           {{"out", shape, 1, MODEL_INT8, 4, 1.0f, 0, arena}}}};
    *inputs = *outputs = 1;
    return tensors;
}}
"""


def layer_instructions(rounds: int) -> int:
    """Return how many instructions a layer executes more than an empty function: two moves and the loop."""
    return 2 + 2 * rounds


def invoke_instructions(rounds: Sequence[int]) -> int:
    """Return the same for the whole: a call and a return a layer, and a push; its pop is an empty function's return."""
    return sum(layer_instructions(n) + 2 for n in rounds) + 1


def write_loops(folder: Path, rounds: Sequence[int]) -> Path:
    """Write a C folder with one layer for each number of rounds; its output is its input, 4 bytes.

    Args:
        folder: made.
        rounds: of each layer's loop, at least 1.
    """
    folder.mkdir(parents=True)
    layers = [_LAYER.format(index=i, low=n & 0xFFFF, high=n >> 16) for i, n in enumerate(rounds)]
    names = [f"layer_{i}" for i in range(len(rounds))]
    calls = "".join(f"bl {name}\\n " for name in names)
    outputs = ", ".join(["{arena, 4}"] * len(rounds))
    source = _SOURCE.format(layers="".join(layers), calls=calls, names=", ".join(names), outputs=outputs)
    (folder / "model.h").write_text(_HEADER.format(sha256=SHA256, layers=len(rounds)))
    (folder / "model.c").write_text(source)
    return folder


def layer_cycles(rounds: int) -> int:
    """Return the cycles of a layer, more than of an empty function: two moves; a SUBS, a BNE and 1 for each jump back.

    The loop starts with a 16-bit instruction, so a jump to it is never late.
    """
    return 2 + 2 * rounds + (rounds - 1)


def invoke_cycles(rounds: Sequence[int]) -> int:
    """Return the same for the whole.

    PUSH and POP of two registers are 3 each; a call 1 + 1, its return 1 + 2, and 1 more where the next call, 32 bits
    wide, does not start on a word: PUSH is 16 bits wide, so none does. The layers start on words. An empty function's
    return, 1, goes off.
    """
    calls = sum(layer_cycles(n) + (1 + 1) + (1 + 2) for n in rounds)
    return 3 + calls + (len(rounds) - 1) + 3 - 1
