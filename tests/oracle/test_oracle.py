"""The oracle: golden outputs, refusals, deaths, limits and the cache."""

import signal
import threading

import numpy as np
import pytest

from harness.oracle import Cache, Oracle, OracleError, cached_run, engine_of
from tests.support.data import data_folder, mlperf_model
from tests.support.tflite_builder import ModelBuilder, Q


@pytest.fixture(scope="module")
def oracle():
    with Oracle() as running:
        yield running


def relu_model():
    b = ModelBuilder()
    return b.build(b.relu(b.input((1, 4), Q(0.5, 3)), Q(0.5, 3)))


def float_model():
    b = ModelBuilder()
    x = b.input((1, 3))
    return b.build(b.operator("RELU", [x], b.tensor((1, 3), dtype="float32")))


def int8(*rows):
    return np.array(rows, np.int8)


def test_runs_a_batch_in_order(oracle):
    [out] = oracle.run(relu_model(), [int8([[-9, 0, 3, 100]], [[5, -128, 127, 4]])])
    assert out.dtype == np.int8 and out.tolist() == [[[3, 3, 3, 100]], [[5, 3, 127, 4]]]


def test_several_workers_keep_the_order():
    batch = np.random.default_rng(0).integers(-128, 128, (101, 1, 4), dtype=np.int8)
    done = []
    with Oracle(workers=2) as pair:
        [out] = pair.run(relu_model(), [batch], progress=done.append)
    assert np.array_equal(out, np.maximum(batch, 3))
    assert sum(done) == 101


def test_several_inputs_and_outputs(oracle):
    b = ModelBuilder()
    x, y = b.input((2,), Q(1.0, 0)), b.input((2,), Q(1.0, 0))
    model = b.build(b.add(x, y, Q(1.0, 0)), b.relu(x, Q(1.0, 0)))
    total, relu = oracle.run(model, [int8([-5, 7]), int8([1, 2])])
    assert total.tolist() == [[-4, 9]] and relu.tolist() == [[0, 7]]


def test_intermediate_tensors_by_index(oracle):
    b = ModelBuilder()
    x = b.input((4,), Q(1.0, 0))
    y = b.relu(x, Q(1.0, 0))
    z = b.add(y, y, Q(1.0, 0))
    tensors = oracle.tensors(b.build(z), [int8(-1, 2, -3, 4)])
    assert tensors[y].tolist() == [0, 2, 0, 4] and tensors[z].tolist() == [0, 4, 0, 8]


def test_float_models_run_in_litert(oracle):
    assert engine_of(float_model()) == "litert" and engine_of(relu_model()) == "tflm"
    [out] = oracle.run(float_model(), [np.array([[[-1.5, 0.25, 3.0]]], np.float32)], engine="litert")
    assert out.tolist() == [[[0.0, 0.25, 3.0]]]


@pytest.mark.parametrize(
    "inputs",
    [[], [int8()], [np.zeros((1, 4), np.float32)], [np.zeros((1, 5), np.int8)], [np.zeros((1, 4), np.int8)] * 2],
    ids=["none", "no samples", "wrong type", "wrong shape", "too many"],
)
def test_wrong_inputs_are_refused(oracle, inputs):
    with pytest.raises(OracleError):
        oracle.run(relu_model(), inputs)


@pytest.mark.parametrize("engine", ["tflm", "litert"])
@pytest.mark.parametrize("content", [b"", b"text, not a model" * 9, b"\0\0\0\xffTFL3" + b"\xff" * 64])
def test_a_broken_model_is_an_error_and_the_next_one_runs(oracle, engine, content):
    with pytest.raises(OracleError):
        oracle.run(content, [int8([1, 2, 3, 4])], engine=engine)
    assert oracle.run(relu_model(), [int8([1, 2, 3, 4])])[0].tolist() == [[[3, 3, 3, 4]]]


def test_truncations_never_reach_the_parent(oracle):
    model = relu_model()
    for length in range(8, len(model), 40):
        try:
            oracle.run(model[:length], [int8([1, 2, 3, 4])])
        except OracleError as error:
            assert "\n" not in str(error)


def test_a_killed_worker_is_an_error_with_its_signal():
    with Oracle() as running:
        running.run(relu_model(), [int8([1, 2, 3, 4])])
        process = running._workers[0]._process
        process.send_signal(signal.SIGSEGV)
        process.wait()
        with pytest.raises(OracleError, match="SIGSEGV"):
            running.run(relu_model(), [int8([1, 2, 3, 4])])
        assert len(running.run(relu_model(), [int8([1, 2, 3, 4])])) == 1


def test_a_silent_worker_times_out():
    with Oracle(seconds=1.0) as running:
        process = running._workers[0]
        process._start()
        process._process.send_signal(signal.SIGSTOP)
        with pytest.raises(OracleError, match="1 s in vain"):
            running.run(relu_model(), [int8([1, 2, 3, 4])])
        assert threading.active_count() < 10 and process._process is None


def test_an_arena_beyond_the_memory_limit_is_an_error(oracle):
    b = ModelBuilder()
    model = b.build(b.pad(b.input((1, 1), Q()), ((0, 1 << 15), (0, 1 << 16))))  # 2 GiB of output
    with pytest.raises(OracleError):
        oracle.run(model, [int8([1])])


def test_the_arena_grows_to_what_a_model_needs(oracle):
    b = ModelBuilder()
    model = b.build(b.pad(b.input((1, 1), Q()), ((0, 1 << 13), (0, 10_000))))  # 80 MB, more than the first arena
    [out] = oracle.run(model, [int8([[5]])])
    assert out.shape == (1, 8193, 10001) and out[0, 0, 0] == 5 and out[0, 1:].max() == 0


def test_outputs_come_from_the_cache_the_second_time(tmp_path):
    class Broken(Oracle):
        def run(self, *arguments, **options):
            raise AssertionError("the cache was not asked")

    cache, batch = Cache(tmp_path), [int8([[1, 2, 3, 4]])]
    with Oracle() as running:
        first = cached_run(running, relu_model(), batch, cache=cache)
    second = cached_run(Broken(), relu_model(), batch, cache=cache)
    assert np.array_equal(first[0], second[0]) and second[0].dtype == np.int8
    with pytest.raises(AssertionError):
        cached_run(Broken(), relu_model(), [int8([[1, 2, 3, 5]])], cache=cache)
    with pytest.raises(AssertionError):
        cached_run(Broken(), relu_model() + b"\0", batch, cache=cache)
    with pytest.raises(AssertionError):
        cached_run(Broken(), relu_model(), batch, engine="litert", cache=cache)


def test_a_damaged_cache_file_is_made_again(tmp_path, oracle):
    cache, batch = Cache(tmp_path), [int8([[1, 2, 3, 4]])]
    first = cached_run(oracle, relu_model(), batch, cache=cache)
    [kept] = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:40])
    assert np.array_equal(cached_run(oracle, relu_model(), batch, cache=cache)[0], first[0])
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_harness_cache_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert Cache.default().folder == tmp_path / "golden"


def test_an_unwritable_cache_folder_is_no_error(tmp_path, oracle):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert len(cached_run(oracle, relu_model(), [int8([[1, 2, 3, 4]])], cache=Cache(blocked / "golden"))) == 1


@pytest.mark.slow
def test_mlperf_keywords_as_published(oracle):
    data = np.load(data_folder() / "mlperf_tiny" / "kws01.npz")
    [scores] = oracle.run(mlperf_model("kws_ref_model").read_bytes(), [data["x"]])
    assert np.sum(scores.reshape(1000, -1).argmax(axis=1) == data["y"]) == 901


@pytest.mark.slow
def test_mlperf_pictures_as_published():
    data = np.load(data_folder() / "cifar10" / "cifar10_lossless_part.npz")
    pictures = (data["x_test"].astype(np.int16) - 128).astype(np.int8)
    with Oracle(workers=2) as pair:
        [scores] = pair.run(mlperf_model("pretrainedResnet_quant").read_bytes(), [pictures])
    assert np.sum(scores.reshape(1017, -1).argmax(axis=1) == data["y_test"]) == 894
