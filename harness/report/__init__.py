"""What people read: tables for the terminal, Markdown and CSV, all made from rows alone."""
