import pytest

from harness.nearest import did_you_mean, nearest
from tests.command import assert_failed, harness


@pytest.mark.parametrize(("name", "found"), [("nano3", "nano33"), ("NANO33", "nano33"), ("uno", None), ("", None)])
def test_the_nearest_name(name: str, found: str | None) -> None:
    assert nearest(name, ["nano33", "disco"]) == found
    assert did_you_mean(name, ["nano33", "disco"]) == (f"; did you mean {found!r}?" if found else "")


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["bench", "--board", "nano3", "--on", "qemu"], "nano33"),
        (["bench", "--board", "nano33", "--on", "qmu"], "qemu"),
        (["bench", "--board", "nano33", "--on", "qemu", "--task", "kwss"], "kws"),
        (["plan", "kws_s", "--board", "nano33", "--optimise", "latncy"], "latency"),
        (["bench", "kwz_s", "--board", "nano33"], "kws_s"),
        (["evaluate", "kws_s", "--data", "syntetic"], "synthetic"),
        (["data", "get", "cifar"], "cifar10"),
        (["compile", "kws_s", "-o", "/nowhere/at/all", "--core", "m4"], "m4f"),
        (["compile", "kws_s", "-o", "/nowhere/at/all", "--optimise", "rma"], "ram"),
        (["evaluate", "kws_s", "--data", "synthetic", "--split", "tst"], "test"),
        (["distill", "recipes/kws_quick.toml", "--set", "distil.temperature=2"], "distill"),
        (["distill", "recipes/kws_quick.toml", "--set", "distill.temprature=2"], "temperature"),
        (["history", "kws_ss", "--board", "nano33", "--runs", "results/baselines"], "kws_s"),
        (["compare", "results/baselines/zoo", "results/baselines/zoo", "--fail-on", "instrctions>1"], "instructions"),
        (["bnch"], "bench"),
        (["data", "gte", "cifar10"], "get"),
        (["bench", "--bord", "nano33"], "--board"),
        (["bench", "--borad=nano33"], "--board"),
        (["boards", "--attachd"], "--attached"),
        (["--vrsion"], "--version"),
        (["boards", "--quite"], "--quiet"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(arguments: list[str], near: str) -> None:
    assert_failed(harness(*arguments), 2, f"did you mean '{near}'?")


@pytest.mark.parametrize("arguments", [["-quiet"], ["bench", "kws_s", "-quiet"], ["bench", "--on", "qemu", "-quiet"]])
def test_a_long_option_with_one_dash_is_answered_as_the_word_it_is(arguments: list[str]) -> None:
    assert_failed(harness(*arguments), 2, "No such option: -quiet; an option of several letters begins with two dashes")


def test_an_unknown_letter_is_answered_as_a_letter() -> None:
    assert_failed(harness("bench", "-z"), 2, "No such option: -z (see")
