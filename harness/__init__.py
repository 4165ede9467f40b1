"""Measures models on microcontroller boards: how fast, how big, how accurate, and how they become smaller."""

__version__ = "0.1.0"
