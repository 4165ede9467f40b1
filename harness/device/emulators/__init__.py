"""Emulated boards: programs that run a firmware and offer its serial port."""
