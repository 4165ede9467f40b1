"""The files that are not Python are found in the checkout and in an installed package."""

from pathlib import Path

import pytest

from harness import resources
from tests.command import ROOT

FOLDERS = {"firmware": resources.firmware, "boards": resources.boards, "recipes": resources.recipes}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_checkout_reads_its_own(name: str) -> None:
    assert FOLDERS[name]() == ROOT / name


@pytest.mark.parametrize("name", FOLDERS)
def test_an_installed_package_reads_no_neighbour(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "harness"
    (package / "_data" / name).mkdir(parents=True)
    (package.parent / name).mkdir()  # another package of that name
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert FOLDERS[name]() == package / "_data" / name
