"""Executed blocks: exact instructions and estimated cycles of an emulated inference, by layer and by function.

plugin.c counts, inside QEMU; plugin.py compiles it and asks whether QEMU takes it; program.py knows the ELF; regions.py
reads the counts; inference.py turns them into instructions and cycles, with harness/cortex_m4.py. counter.py is the
whole of it for one run of one firmware.
"""

from harness.errors import EnvironmentFailure


class BlocksUnavailable(EnvironmentFailure):
    """Blocks cannot be counted here, or not trusted; the clock and a documented average are left."""
