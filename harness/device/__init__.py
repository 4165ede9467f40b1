"""The DEVICE hall: builds firmware, flashes or emulates it, drives it over serial and measures. Knows only C folders."""
