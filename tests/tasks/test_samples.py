"""What a model is fed: which data by default, which items, in which order of classes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.tasks import TASKS, Card, ModelInput, default_data, find_task, kws, load
from harness.tasks.frontend import MLPERF_KWS
from tests.tasks.clips import record, tone

KWS = ModelInput((1, 49, 10, 1), "int8", MLPERF_KWS.scale, MLPERF_KWS.zero_point)
PICTURE = ModelInput((1, 32, 32, 3), "int8", 1.0, -128)
CARD = Card(
    task="kws", recipe="r.toml", teacher="", student="dscnn", seed=0, labels=kws.LABELS, dataset="speech_commands",
    samples=4890, accuracy=95.0, macs=1, sha256="0" * 64, licence="", command="",
    frontend=replace(MLPERF_KWS, normalise="none", rounding="nearest"),
)  # fmt: skip


def test_a_task_is_found_by_name_then_card_then_shape() -> None:
    assert find_task(None, None, KWS, 12) is TASKS["kws"]
    assert find_task(None, None, PICTURE, 10) is TASKS["vision"]
    assert find_task(None, None, KWS, 11) is None
    assert find_task(None, CARD, PICTURE, 10) is TASKS["kws"]
    assert find_task("vision", CARD, KWS, 12) is TASKS["vision"]
    with pytest.raises(UserError, match=r"unknown task 'kw'.*kws, vision"):
        find_task("kw", None, KWS, 12)


def test_defaults_where_the_data_is(data: Path) -> None:
    assert default_data(TASKS["kws"], CARD) == "speech_commands"
    assert default_data(TASKS["kws"], None) == "kws01"
    assert default_data(TASKS["vision"], None) == "cifar10"
    assert default_data(None, None) == "random"


def test_defaults_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    assert default_data(TASKS["kws"], CARD) == "synthetic"
    assert default_data(TASKS["vision"], None) == "random"
    assert load(TASKS["kws"], None, None, KWS, 10).dataset == "synthetic"
    with pytest.raises(UserError, match=r"'kws01'.*HARNESS_DATA is not set"):
        load(TASKS["kws"], "kws01", None, KWS, 10)


def test_kws01_goes_in_as_it_is_and_in_order(data: Path) -> None:
    whole = load(TASKS["kws"], "kws01", None, KWS, 1000)
    np.testing.assert_array_equal(whole.inputs[:, :, :, 0], kws.kws01().fetch(np.arange(1000)))
    assert (len(whole.inputs), whole.size, whole.classes) == (1000, 1000, kws.MLPERF_LABELS)
    some = load(TASKS["kws"], "kws01", None, KWS, 7)
    again = load(TASKS["kws"], "kws01", None, KWS, 7)
    np.testing.assert_array_equal(some.inputs, again.inputs)
    assert len(some.inputs) == 7
    assert not np.array_equal(some.inputs, whole.inputs[:7])  # a shuffle, or one class would stand for all


def test_kws01_of_another_front_end_comes_from_the_sound_of_the_same_clips(data: Path) -> None:
    plain = load(TASKS["kws"], "kws01", None, KWS, 40)
    mlperf = load(TASKS["kws"], "kws01", replace(CARD, frontend=MLPERF_KWS), KWS, 40)
    other = load(TASKS["kws"], "kws01", CARD, KWS, 40)
    np.testing.assert_array_equal(mlperf.inputs, plain.inputs)
    assert plain.labels is not None and other.labels is not None
    assert [other.classes[i] for i in other.labels] == [plain.classes[i] for i in plain.labels]
    assert not np.array_equal(other.inputs, plain.inputs)


def test_labels_follow_the_cards_order(data: Path) -> None:
    plain, carded = (load(TASKS["kws"], "speech_commands", card, KWS, 50) for card in (None, CARD))
    assert plain.labels is not None and carded.labels is not None
    names = [plain.classes[i] for i in plain.labels]
    assert names == [carded.classes[i] for i in carded.labels]
    assert not np.array_equal(plain.inputs, carded.inputs)  # another front end


def test_the_official_test_sets_are_whole(data: Path) -> None:
    speech = kws.speech_commands()
    assert len(speech.labels) == 4890
    assert (speech.labels.count("silence"), speech.labels.count("unknown"), speech.labels.count("yes")) == (
        408,
        408,
        419,
    )
    pictures = load(TASKS["vision"], "cifar10", None, PICTURE, 5000)
    assert pictures.inputs.shape == (1017, 32, 32, 3)


def test_pictures_become_levels_less_128(data: Path) -> None:
    with np.load(data / "cifar10" / "cifar10_lossless_part.npz") as content:
        levels = content["x_test"].astype(np.int16)
    np.testing.assert_array_equal(load(TASKS["vision"], "cifar10", None, PICTURE, 1017).inputs, levels - 128)


def test_the_synthetic_set_has_every_class() -> None:
    synthetic = kws.synthetic()
    assert {synthetic.labels.count(label) for label in kws.LABELS} == {len(synthetic.labels) // 12}
    sound = synthetic.fetch(np.arange(len(synthetic.labels)))
    assert sound.shape[1] == 16_000
    assert 0.1 < np.abs(sound).max() <= 1.0
    assert kws.SYNTHETIC.stat().st_size < 1_000_000


def test_random_inputs_use_the_whole_range_and_are_the_same_each_time() -> None:
    first, second = (load(None, None, None, KWS, 100) for _ in range(2))
    np.testing.assert_array_equal(first.inputs, second.inputs)
    assert (first.labels, first.dataset) == (None, "random")
    assert (first.inputs.min(), first.inputs.max()) == (-128, 127)
    assert load(None, None, None, ModelInput((1, 5), "float32"), 3).inputs.dtype == np.float32


def test_data_that_cannot_be_used_says_what_could() -> None:
    with pytest.raises(UserError, match="fit no task"):
        load(None, "cifar10", None, KWS, 1)
    with pytest.raises(UserError, match=r"unknown data 'nope'.*kws01, random, speech_commands, synthetic"):
        load(TASKS["kws"], "nope", None, KWS, 1)
    with pytest.raises(UserError, match="gives 490 values a sample, the model takes 3072"):
        load(TASKS["kws"], "synthetic", None, PICTURE, 1)


def test_a_folder_of_recordings(tmp_path: Path) -> None:
    for word, seconds in (("yes", 0.5), ("_silence_", 1.0), ("banana", 1.5)):
        record(tmp_path / word / "a.wav", tone(440, 16_000, seconds))
    samples = load(TASKS["kws"], str(tmp_path), CARD, KWS, 10)
    assert samples.labels is not None
    assert sorted(samples.classes[i] for i in samples.labels) == ["silence", "unknown", "yes"]
    assert samples.notes == (
        "cut to the first 1 s: 1 of 3 files are longer",
        "no class of the model, so they count as unknown: banana",
    )
    knows_all = replace(CARD, labels=("yes", "silence", "no"))
    with pytest.raises(UserError, match=r"no class 'banana' of .*: expected yes, silence, no; rename or remove it"):
        load(TASKS["kws"], str(tmp_path), knows_all, KWS, 10)


def test_a_split_is_of_the_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'synthetic' has no split 'train': expected test"):
        load(TASKS["kws"], "synthetic", CARD, KWS, 10, split="train")
    for number in range(20):
        record(tmp_path / "yes" / f"{number}.wav", tone(440, 16_000))
    everything, test = (load(TASKS["kws"], str(tmp_path), CARD, KWS, 100, split=split) for split in (None, "test"))
    assert len(everything.inputs) == 20
    assert 0 < len(test.inputs) < 10
    assert (everything.dataset, test.dataset) == (tmp_path.name, f"{tmp_path.name} (test)")


def test_what_data_get_writes_is_read_as_the_archives_are(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zips = kws.speech_commands()
    chosen = [zips.labels.index(label) + take for label in ("yes", "unknown", "silence") for take in (0, 1)]
    sound = zips.fetch(np.array(chosen))
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    with pytest.raises(UserError, match=rf"{kws.TEST_SET}.*run harness data get speech_commands"):
        kws.speech_commands()
    for take, folder in enumerate(("yes", "yes", "_unknown_", "_unknown_", "_silence_", "_silence_")):
        record(tmp_path / "speech_commands" / kws.TEST_SET / folder / f"{take}.wav", sound[take])
        record(tmp_path / "speech_commands" / kws.CORPUS / "bed" / f"{take}_nohash_0.wav", sound[take])
    record(tmp_path / "speech_commands" / kws.CORPUS / "_background_noise_" / "tap.wav", sound[0])
    test = kws.speech_commands()
    assert (test.name, test.labels) == ("speech_commands", ("silence",) * 2 + ("unknown",) * 2 + ("yes",) * 2)
    order = [4, 5, 2, 3, 0, 1]
    np.testing.assert_allclose(test.fetch(np.arange(6)), sound[order], atol=2 / 32768)
    train = kws.speech_commands("train")
    assert train.name == "speech_commands (train)"
    assert set(train.labels) == {"bed"}
