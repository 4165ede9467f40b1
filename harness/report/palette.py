"""The colours of a report: as they are on paper, and in the dark. Plots are drawn with the first; a page swaps them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """One colour by its part, `#rrggbb` each."""

    name: str
    light: str
    dark: str


PAPER = Colour("paper", "#ffffff", "#15191e")
INK = Colour("ink", "#1d2630", "#e6e9ed")
SOFT = Colour("soft", "#5b6772", "#a3adb8")
LINE = Colour("line", "#d5dbe1", "#39424c")
PANEL = Colour("panel", "#f5f7f9", "#1d2329")
LINK = Colour("link", "#1f5fa8", "#7fb4f0")
BAD = Colour("bad", "#b3261e", "#ff8a80")
ESTIMATE = Colour("estimate", "#8a5a00", "#f0bf5c")
FIRST = Colour("first", "#2f6fb7", "#5c9ce6")
SECOND = Colour("second", "#e08a1e", "#eda344")
THIRD = Colour("third", "#3c9a78", "#5cc09c")
FRONT = Colour("front", "#b5347c", "#ee7db8")

COLOURS = (PAPER, INK, SOFT, LINE, PANEL, LINK, BAD, ESTIMATE, FIRST, SECOND, THIRD, FRONT)
