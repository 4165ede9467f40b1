"""Builds compiled models for this machine, with every sanitiser that finds what a microcontroller would hide.

Several models share one build, each with a prefix of its own, since starting the C compiler costs more than the code.
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FLAGS = (
    "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
)  # fmt: skip

# One function a model, so that several headers with the same structures under other prefixes fit in one program. The
# inputs are copied at each inference because an inference may overwrite them.
_RUN = r"""
static int run_@(int trace) {
    int inputs, outputs;
    @_init();
    const @_tensor *t = @_tensors(&inputs, &outputs);
    for (;;) {
        for (int i = 0; i < inputs; i++)
            if (fread(t[i].data, 1, t[i].bytes, stdin) != t[i].bytes) return 0;
        for (unsigned i = 0; trace && i < sizeof @_layers / sizeof *@_layers; i++) {
            @_layers[i]();
            fwrite(@_layer_outputs[i].data, 1, @_layer_outputs[i].bytes, stdout);
        }
        if (trace) continue;
        @_invoke();
        for (int i = inputs; i < inputs + outputs; i++)
            if (fwrite(t[i].data, 1, t[i].bytes, stdout) != t[i].bytes) return 1;
    }
}
"""


@dataclass(frozen=True)
class HostProgram:
    """A program that holds several models; `descriptions` are their model.json by prefix."""

    binary: Path
    descriptions: Mapping[str, Mapping[str, Any]]

    def run(self, prefix: str, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run one model on a batch.

        Args:
            prefix: which model.
            inputs: one array (n, ...) a model input.

        Returns:
            One array (n, *shape) a model output.

        Raises:
            AssertionError: the program died; the message holds what the sanitisers said.
        """
        return split_outputs(self._run([prefix], inputs), self.descriptions[prefix])

    def trace(self, prefix: str, inputs: Sequence[np.ndarray]) -> list[list[bytes]]:
        """Return what each layer wrote, for each sample of a batch; see `run`."""
        sizes = {tensor["index"]: tensor["bytes"] for tensor in self.descriptions[prefix]["tensors"]}
        ends = np.cumsum([sizes[layer["tensor"]] for layer in self.descriptions[prefix]["layers"]])
        rows = self._run([prefix, "trace"], inputs)
        return [[part.tobytes() for part in np.split(row, ends[:-1])] for row in rows]

    def _run(self, arguments: Sequence[str], inputs: Sequence[np.ndarray]) -> np.ndarray:
        rows = [np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8) for array in inputs]
        process = subprocess.run(
            [self.binary, *arguments], input=np.hstack(rows).tobytes(), capture_output=True, timeout=120
        )
        assert process.returncode == 0, process.stderr.decode(errors="replace")[:4000]
        return np.frombuffer(process.stdout, np.uint8).reshape(len(rows[0]), -1)


def split_outputs(raw: np.ndarray, description: Mapping[str, Any]) -> list[np.ndarray]:
    """Return one array (n, *shape) a model output from (n, bytes of all outputs)."""
    ends = np.cumsum([output["bytes"] for output in description["outputs"]])
    return [
        np.ascontiguousarray(part).view(output["type"]).reshape(len(part), *output["shape"])
        for part, output in zip(np.split(raw, ends[:-1], axis=1), description["outputs"], strict=True)
    ]


def build(folder: Path, descriptions: Mapping[str, Mapping[str, Any]], flags: Sequence[str] = FLAGS) -> HostProgram:
    """Build the models that were compiled into `folder`, by prefix.

    Raises:
        AssertionError: the C compiler complains; the message holds its words.
    """
    prefixes = list(descriptions)
    headers = "".join(f'#include "{prefix}.h"\n' for prefix in prefixes)
    choices = "".join(f'    if (!strcmp(argv[1], "{prefix}")) return run_{prefix}(argc > 2);\n' for prefix in prefixes)
    runs = "".join(_RUN.replace("@", prefix) for prefix in prefixes)
    main = f"int main(int argc, char **argv) {{\n    if (argc < 2) return 2;\n{choices}    return 2;\n}}\n"
    (folder / "host.c").write_text(f"{headers}#include <stdio.h>\n#include <string.h>\n{runs}{main}")
    sources = ["host.c", *(f"{prefix}.c" for prefix in prefixes)]
    process = subprocess.run(["cc", *flags, *sources, "-o", "host"], cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[:4000]
    return HostProgram(folder / "host", descriptions)
