"""Makes an SVG file of matplotlib part of a page: small, named for those who do not see it, in the page's colours."""

import re
from xml.etree import ElementTree

from harness.report.palette import COLOURS

_FONT = re.compile(r"font-family: [^;]*(; )?")
_REFERENCE = re.compile(r"^#|(?<=url\()#")
_REFERENCES = ("href", "clip-path")
_VARIABLES = {colour.light: f"var(--{colour.name})" for colour in COLOURS}
_COLOUR = re.compile("|".join(_VARIABLES))


def inline(svg: str, key: str, title: str, description: str) -> str:
    """Return the `<svg>` element for a page.

    Args:
        svg: what matplotlib wrote, with the colours of the palette.
        key: starts every id, so that two plots of one page share none.
        title: the name of the picture.
        description: what it shows, in a sentence or two.
    """
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in [child for child in parent if _bare(child.tag) in ("metadata", "style")]:
            parent.remove(child)  # links to vocabularies, and a rule that would hold for the whole page
    used = " ".join(value for element in root.iter() for name, value in element.items() if _bare(name) in _REFERENCES)
    for element in root.iter():
        element.tag = _bare(element.tag)
        element.attrib = {
            _bare(name): _attribute(_bare(name), value, key)
            for name, value in element.items()
            if name != "id" or f"#{value}" in used
        }
        element.text, element.tail = (None if not text or text.isspace() else text for text in (element.text, None))
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-labelledby": f"{key}-title {key}-desc"}
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        root.insert(place, ElementTree.Element(tag, {"id": f"{key}-{tag}"}))
        root[place].text = text
    return ElementTree.tostring(root, encoding="unicode")


def _bare(name: str) -> str:
    """Return a name without its namespace, which HTML knows by itself."""
    return name.rpartition("}")[2]


def _attribute(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name in _REFERENCES:
        return _REFERENCE.sub(f"#{key}-", value)
    if name == "style":  # the page has a font of its own
        return _COLOUR.sub(lambda found: _VARIABLES[found[0]], _FONT.sub("", value))
    return " ".join(value.split())
