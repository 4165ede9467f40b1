"""Models as they are stored: rounded as half precision rounds, small, and what is measured is what is stored."""

from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

keras = pytest.importorskip("keras")

from harness.train import stored  # noqa: E402  (needs Keras)

FLOATS = st.floats(width=32, allow_subnormal=False)
SPECIAL = [0.0, -0.0, np.inf, -np.inf, 1.0, 1 + 2**-11, 1 + 3 * 2**-11, -(1 + 2**-11), 1 + 2**-23, 3e38, 1e-38]


@given(arrays.arrays(np.float32, st.integers(0, 40), elements=FLOATS))
def test_numbers_are_rounded_as_half_precision_rounds_them(values: np.ndarray) -> None:
    found = stored.rounded(values)
    whole = np.isfinite(values)
    np.testing.assert_array_equal(found[~whole], values[~whole])
    fits = whole & (np.abs(values) < 65_000) & (np.abs(values) >= 2**-14)
    np.testing.assert_array_equal(found[fits], values[fits].astype(np.float16).astype(np.float32))
    with np.errstate(over="ignore"):
        small = whole & np.isfinite(found)
        assert (np.abs(found[small] - values[small]) <= np.abs(values[small]) * 2**-11).all()
    np.testing.assert_array_equal(stored.rounded(found), found)


def test_ties_go_to_even_and_what_is_no_number_stays_none() -> None:
    found = stored.rounded(np.array([*SPECIAL, np.nan], np.float32))
    np.testing.assert_array_equal(found[:9], [0, -0.0, np.inf, -np.inf, 1, 1, 1 + 2**-9, -1, 1])
    assert np.signbit(found[1]) and np.isnan(found[-1])


def test_a_stored_model_answers_as_the_one_in_memory_and_is_small(tmp_path: Path) -> None:
    inputs = keras.Input((8,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(keras.layers.Dense(600)(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(90)(hidden))
    model.save(tmp_path / "loose.keras")
    before, shown = model.get_weights(), np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    stored.save(model, tmp_path / "a.keras")
    again = keras.saving.load_model(tmp_path / "a.keras", compile=False)
    np.testing.assert_array_equal(again(shown), model(shown))
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2**-11, atol=0)
    assert (tmp_path / "a.keras").stat().st_size < 0.65 * (tmp_path / "loose.keras").stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.keras", "loose.keras"]
