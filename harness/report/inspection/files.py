"""The files of an inspection's folder."""

import json

from harness.report.figures import files as draw
from harness.report.inspection.document import Inspection, table
from harness.report.inspection.figures import plots
from harness.report.inspection.page import page


def files(inspection: Inspection) -> dict[str, str | bytes]:
    """Return path -> content: the document, the page, the plots, and the disagreements where there is a student."""
    content: dict[str, str | bytes] = {
        "inspection.json": json.dumps(inspection.document(), indent=1, allow_nan=False) + "\n",
        "report.html": page(inspection),
    }
    if inspection.student is not None:
        content["disagreements.csv"] = table(inspection)
    return content | {f"plots/{name}": drawn for name, drawn in draw(plots(inspection))}
