"""What `harness inspect-teacher` shows: words, tables, plots and a page, all of them from one `Inspection`."""
