"""CSV files of lines with a key: each put is whole, and what it does not name stays as it is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.rows.lines import METHODS, Sheet
from tests.command import ROOT

SHEET = Sheet(("name", "seed", "value"), ("name", "seed"))
CELLS = st.tuples(st.sampled_from(["a", "b,", 'c"', "d\ne"]), st.integers(0, 12).map(str), st.text("x1, ", max_size=3))


def lines(*rows: tuple[str, ...]) -> list[dict[str, str]]:
    return [dict(zip(SHEET.columns, row, strict=True)) for row in rows]


@given(st.lists(st.lists(CELLS, max_size=4), max_size=4))
def test_the_last_line_of_a_key_stays(
    tmp_path_factory: pytest.TempPathFactory, puts: list[list[tuple[str, ...]]]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "deep" / "a.csv"
    wanted: dict[tuple[str, str], str] = {}
    for rows in puts:
        SHEET.put(path, lines(*rows))
        wanted |= {(name, seed): value for name, seed, value in rows}
    found = SHEET.read(path)
    assert {(line["name"], line["seed"]): line["value"] for line in found} == wanted
    assert len(found) == len(wanted)
    keys = [(line["name"], int(line["seed"])) for line in found]
    assert keys == sorted(keys)  # 2 before 10


def test_the_table_of_the_repository_stays_byte_for_byte(tmp_path: Path) -> None:
    content = (ROOT / "results" / "distillation" / "methods.csv").read_bytes()
    copy = tmp_path / "methods.csv"
    copy.write_bytes(content)
    METHODS.put(copy, [])
    assert copy.read_bytes() == content
    shorter = METHODS.read(copy)[0] | {"n": "7", "accuracy": "1.5"}
    METHODS.put(copy, [shorter])
    assert len(METHODS.read(copy)) == content.count(b"\n")  # another number of items is another line


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    SHEET.put(path, lines(("a", "1", "x")))
    before, write = path.read_bytes(), Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        write(self, content[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        SHEET.put(path, lines(("b", "1", "y")))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("content", [b"name,seed\na,1\n", b"name,seed,value\na,1\n", b"", b"\xff\xfe"])
def test_another_file_of_that_name_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.csv"):
        SHEET.put(path, lines(("a", "1", "x")))
    assert path.read_bytes() == content
