"""Kernels for Armv7E-M (Cortex-M4, M7): generators of assembly for the few loops where a C compiler loses half.

One file a family: its idea, its registers, what its inner loop costs and why that is the least; the packing of the
weights; the routine. The arithmetic that makes them exact is in requantize.py.
"""
