"""A page as its elements, for tests that look at its structure."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "input", "br", "wbr"}


@dataclass
class Element:
    """One element: its tag, attributes, children and own text."""

    tag: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> list["Element"]:
        """Return every element below with that tag and these attributes (`class_` for class), in document order."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        fits = self.tag == tag and all(self.attributes.get(name) == value for name, value in wanted.items())
        return [
            *([self] if fits else []),
            *(found for child in self.children for found in child.all(tag, **attributes)),
        ]

    def one(self, tag: str, **attributes: str) -> "Element":
        """Return the only such element."""
        [found] = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        """Return all text below, white space folded."""
        return " ".join(" ".join([*self.texts, *(child.text for child in self.children)]).split())

    def everything(self) -> list["Element"]:
        """Return this element and all below."""
        return [self, *(found for child in self.children for found in child.everything())]


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in _VOID:
            self.open.append(self.open[-1].children[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute of {tag} stands twice"
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.open[-1].texts.append(data)


def parse(page: str) -> Element:
    """Return the root of a page; every element must be closed in its turn."""
    builder = _Builder()
    builder.feed(page)
    builder.close()
    assert len(builder.open) == 1, f"never closed: {[element.tag for element in builder.open[1:]]}"
    return builder.open[0]
