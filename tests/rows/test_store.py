import errno
import os
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.rows import store
from harness.rows.measurement import Document
from tests.rows.examples import make_row

DOCUMENT = Document((make_row(),))


def test_a_run_is_read_back(tmp_path: Path) -> None:
    elf = tmp_path / "firmware.elf"
    elf.write_bytes(b"\x7fELF")
    folder = tmp_path / "deep" / "run"
    store.write_run(folder, DOCUMENT, {"report.md": "hello\n", "plots/a.png": b"\x89PNG"}, {"1/firmware.elf": elf})
    assert store.read_document(folder) == store.read_document(folder / "rows.json") == DOCUMENT
    assert (folder / "report.md").read_text() == "hello\n"
    assert (folder / "plots" / "a.png").read_bytes() == b"\x89PNG"
    assert (folder / "elf" / "1" / "firmware.elf").read_bytes() == b"\x7fELF"
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def test_a_folder_with_a_run_is_refused(tmp_path: Path) -> None:
    store.write_run(tmp_path / "run", DOCUMENT, {}, {})
    with pytest.raises(UserError, match=r"rows\.json"):
        store.check_free(tmp_path / "run")


def test_a_folder_with_other_files_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    store.check_free(tmp_path)
    store.write_run(tmp_path, DOCUMENT, {"report.md": "hello"}, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "report.md", "rows.json"]


@pytest.mark.parametrize("target", ["file", "file/below"])
def test_a_file_is_no_run_folder(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        store.check_free(tmp_path / target)


@pytest.mark.parametrize("prepared", [False, True])
def test_a_full_disk_leaves_nothing_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared: bool) -> None:
    folder = tmp_path / "run"
    if prepared:
        folder.mkdir()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write_run(folder, DOCUMENT, {"report.md": "hello"}, {})
    assert [path.name for path in tmp_path.rglob("*")] == (["run"] if prepared else [])


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"{}"])
def test_what_is_no_run_is_the_users_mistake(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "rows.json").write_bytes(content)
    with pytest.raises(UserError, match=str(tmp_path)):
        store.read_document(tmp_path)


def test_a_run_that_came_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    other = Document((make_row(model="other"),))
    for folder in (tmp_path / "run", tmp_path / "full"):
        store.write_run(folder, other, {}, {})
        with pytest.raises(UserError, match="meanwhile"):
            store.write_run(folder, DOCUMENT, {"report.md": "hello"}, {})
        assert [path.name for path in folder.iterdir()] == ["rows.json"]
        assert store.read_document(folder) == other


def test_an_empty_folder_is_filled_though_it_is_a_link_or_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("real", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("real")
    store.write_run(tmp_path / "link", DOCUMENT, {}, {})
    assert (tmp_path / "link").is_symlink()
    assert store.read_document(tmp_path / "real") == DOCUMENT
    monkeypatch.chdir(tmp_path / "here")
    store.write_run(Path(), DOCUMENT, {}, {})
    assert store.read_document(Path()) == DOCUMENT


def test_files_of_the_user_stay_in_a_folder_called_elf(tmp_path: Path) -> None:
    (tmp_path / "run" / "elf").mkdir(parents=True)
    (tmp_path / "run" / "elf" / "mine").write_text("mine")
    (tmp_path / "built").write_bytes(b"\x7fELF")
    store.write_run(tmp_path / "run", DOCUMENT, {}, {"a/firmware.elf": tmp_path / "built"})
    assert {p.name for p in (tmp_path / "run").rglob("*")} == {"elf", "mine", "a", "firmware.elf", "rows.json"}


def test_a_store_names_what_is_damaged_and_reads_the_rest(tmp_path: Path) -> None:
    store.append_run(tmp_path, "b", DOCUMENT, {}, {})
    store.append_run(tmp_path, "b", DOCUMENT, {}, {})
    (tmp_path / "a").mkdir()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "rows.json").write_text("{")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    found = store.read_store(tmp_path)
    assert [run.folder.name for run in found.runs] == ["b", "b-2"]
    assert [str(tmp_path / name) in line for name, line in zip("ac", found.damaged, strict=True)] == [True, True]


def test_a_store_that_is_not_there_is_empty_and_a_file_is_none(tmp_path: Path) -> None:
    assert store.read_store(tmp_path / "nothing") == store.Store((), ())
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="folder of runs"):
        store.read_store(tmp_path / "file")
