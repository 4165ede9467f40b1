"""What is known about each core: how many cycles an instruction takes, and how far hardware is from that."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Core:
    """A Cortex-M core.

    Attributes:
        name: as in the rows: m0plus, m3, m4f, m7, m33, m55.
        cpi: cycles an instruction with no wait states, for this project's kernels; source beside the number.
        hardware_ratio: (low, middle, high) of cycles on hardware to estimated cycles, flash wait states included.
    """

    name: str
    cpi: float
    hardware_ratio: tuple[float, float, float]


CORES = {
    core.name: core
    for core in (
        # cpi: executed blocks of the four MLPerf Tiny models, compiled to portable C, through the Cortex-M4 TRM's
        # timings (gcc 12.2 -O2): kws 1.322, vww 1.309, ic 1.315, ad 1.319.
        # hardware_ratio: published TFLM + CMSIS-NN times on a Nucleo-L4R5ZI (120 MHz) against the same source counted
        # here: kws 1.295, vww 1.225, ic 1.227, ad 1.410.
        Core("m4f", cpi=1.316, hardware_ratio=(1.22, 1.29, 1.41)),
    )
}
