"""The rows as a CSV table: one line a row, the columns in the order of the contracts, unknown is empty."""

from dataclasses import asdict

from harness.rows.measurement import Document, columns


def table(document: Document) -> str:
    """Return the document's rows as CSV with a heading; whole numbers stay whole beside unknown ones."""
    import pandas

    frame = pandas.DataFrame([asdict(row) for row in document.rows], columns=list(columns()), dtype=object)
    return str(frame.to_csv(index=False, lineterminator="\n"))
