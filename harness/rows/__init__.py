"""The row: what one measurement says, how it is kept on disk, and how two of them are compared."""
