"""Golden outputs: what the reference interpreters say a model computes, byte for byte.

int8 models run in TensorFlow Lite Micro, float ones in LiteRT. Both run in a child process with a memory limit
and a time limit, because a damaged model can kill the interpreter that reads it.
"""

from harness.oracle.cache import Cache, cached_run
from harness.oracle.engines import engine_of, engine_version
from harness.oracle.oracle import Oracle, OracleError

__all__ = ["Cache", "Oracle", "OracleError", "cached_run", "engine_of", "engine_version"]
