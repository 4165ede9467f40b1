"""Pages from templates: everything a template is given is escaped, and other people's names cannot leave their line."""

from pathlib import Path
from typing import Any

from harness.report import words
from harness.report.palette import COLOURS

FOLDER = Path(__file__).resolve().parent


def render(template: str, **given: Any) -> str:
    """Return a template of this folder with what it is given, the style and the colours of all pages, and `words`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: object) -> object:
        return words.plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Markup((FOLDER / "report.css").read_text(encoding="utf-8"))
    return environment.get_template(template).render(style=style, colours=COLOURS, words=words, **given)
