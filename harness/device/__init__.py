"""The DEVICE hall: builds firmware, flashes or emulates it, drives it over serial. It knows only C folders."""
