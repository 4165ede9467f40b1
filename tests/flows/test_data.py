"""`harness data get` against a server on this computer: the real addresses are never asked."""

import gzip
import hashlib
import io
import resource
import signal
import socket
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness import cli
from harness.flows import data as flow
from harness.tasks import cifar, kws, vision
from harness.tasks.originals import ORIGINALS
from tests.flows.server import Server, serving
from tests.tasks.clips import record, tone
from tests.tasks.test_vision import batches

Run = Callable[..., tuple[int, str]]
KIB = 1024


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy stands between the test and its server; the handler of signals is put back."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.delenv("HARNESS_DEBUG", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


@pytest.fixture
def get(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return the function that runs `harness data get` in this process, and gives its status and stderr."""

    def run(name: str, *arguments: str) -> tuple[int, str]:
        status = cli.run(["data", "get", name, *(arguments or ("--out", str(tmp_path / "data")))])
        return status, capsys.readouterr().err

    return run


def pack(folder: Path, inside: str = "") -> bytes:
    """Return a .tar.gz of a folder, with names as the originals have them: `./yes/a.wav`, `cifar-10-batches-py/...`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(folder, arcname=inside or ".")
    return packed.getvalue()


def serve(server: Server, monkeypatch: pytest.MonkeyPatch, name: str, archives: list[bytes]) -> None:
    """Let the data set's addresses be the server's, with the sums of small archives."""
    served = []
    for original, content in zip(ORIGINALS[name], archives, strict=True):
        server.files[original.file_name] = content
        digest = hashlib.sha256(content).hexdigest()
        served.append(replace(original, url=server.url(original.file_name), sha256=digest, size=len(content)))
    monkeypatch.setattr(flow, "ORIGINALS", {name: tuple(served)})


@pytest.fixture
def pictures(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bytes:
    """Serve a small CIFAR-10; return its archive."""
    batches(tmp_path / "source" / cifar.FOLDER)
    content = pack(tmp_path / "source" / cifar.FOLDER, cifar.FOLDER)
    serve(server, monkeypatch, "cifar10", [content])
    return content


def left(tmp_path: Path) -> list[str]:
    """Return what lies in the data set's folder."""
    return sorted(path.name for path in (tmp_path / "data" / "cifar10").iterdir())


def assert_one_line(words: str, *parts: str) -> None:
    lines = [line for line in words.splitlines() if "error" in line]
    assert len(lines) == 1, words
    assert "Traceback" not in words
    for part in ("harness: error: ", *parts):
        assert part in lines[0]


def test_the_addresses_and_sums_are_the_published_ones() -> None:
    originals = [original for group in ORIGINALS.values() for original in group]
    assert [original.file_name for original in originals] == [
        "speech_commands_test_set_v0.02.tar.gz", "speech_commands_v0.02.tar.gz", "cifar-10-python.tar.gz",
    ]  # fmt: skip
    assert all(len(bytes.fromhex(original.sha256)) == 32 for original in originals)


def test_cifar10_arrives_and_is_read(
    get: Run, pictures: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, words = get("cifar10")
    assert status == 0
    assert left(tmp_path) == [cifar.FOLDER]
    assert f"set HARNESS_DATA={tmp_path / 'data'} to use it" in words
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    assert (len(vision.cifar10("test").labels), len(vision.cifar10("train").labels)) == (20, 100)
    status, words = get("cifar10")
    assert status == 0
    assert "is there already" in words


def test_speech_commands_arrives_under_the_names_that_the_loaders_read(
    get: Run, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test, corpus = tmp_path / "test", tmp_path / "corpus"
    for folder in ("yes", "_unknown_", "_silence_"):
        record(test / folder / "0_nohash_0.wav", tone(440, 16_000))
    for speaker in range(20):
        record(corpus / "yes" / f"{speaker}_nohash_0.wav", tone(440, 16_000))
    record(corpus / "_background_noise_" / "tap.wav", tone(440, 16_000, 2))
    (corpus / "README.md").write_text("Speech Commands")
    serve(server, monkeypatch, "speech_commands", [pack(test), pack(corpus)])
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    assert get("speech_commands", "--out", str(tmp_path / "data"))[0] == 0
    assert sorted(path.name for path in (tmp_path / "data" / "speech_commands").iterdir()) == [kws.TEST_SET, kws.CORPUS]
    assert sorted(kws.speech_commands().labels) == ["silence", "unknown", "yes"]
    sizes = [len(kws.speech_commands(split).labels) for split in ("train", "validation")]
    assert 0 < sum(sizes) < 20
    assert min(sizes) > 0


def test_a_connection_that_breaks_is_taken_up_where_it_broke(get: Run, pictures: bytes, server: Server) -> None:
    server.cuts = [10 * KIB, 20 * KIB]
    status, words = get("cifar10")
    assert status == 0, words
    assert server.asked == ["", f"bytes={10 * KIB}-", f"bytes={30 * KIB}-"]
    assert f"going on at {30 * KIB:,} bytes" in words


def test_the_next_command_goes_on_where_the_last_gave_up(
    get: Run, pictures: bytes, server: Server, tmp_path: Path
) -> None:
    server.cuts = [10 * KIB, 0]
    status, words = get("cifar10")
    assert status == 3
    assert_one_line(words, f"{10 * KIB:,} bytes came", "run the command again to go on")
    assert left(tmp_path) == ["cifar-10-python.tar.gz.part"]
    assert get("cifar10")[0] == 0
    assert server.asked[-1] == f"bytes={10 * KIB}-"
    assert left(tmp_path) == [cifar.FOLDER]


def test_a_server_without_ranges_starts_again(get: Run, pictures: bytes, server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.cuts = [10 * KIB]
    assert get("cifar10")[0] == 0
    assert server.asked == ["", f"bytes={10 * KIB}-"]
    assert left(tmp_path) == [cifar.FOLDER]


def test_a_server_without_ranges_that_always_breaks_does_not_go_on_for_ever(
    get: Run, pictures: bytes, server: Server
) -> None:
    server.ranges = False
    server.cuts = [10 * KIB] * 50
    status, words = get("cifar10")
    assert status == 3
    assert_one_line(words, "run the command again")
    assert len(server.cuts) > 40


def test_a_range_that_begins_earlier_overwrites(get: Run, pictures: bytes, server: Server) -> None:
    server.cuts, server.shift = [10 * KIB], 100
    assert get("cifar10")[0] == 0


def test_a_range_that_leaves_a_gap_is_refused(get: Run, pictures: bytes, server: Server) -> None:
    server.cuts, server.shift = [10 * KIB], -100
    status, words = get("cifar10")
    assert status == 3
    assert_one_line(words, "another part")


def test_a_part_that_is_whole_is_only_checked(get: Run, pictures: bytes, server: Server, tmp_path: Path) -> None:
    (tmp_path / "data" / "cifar10").mkdir(parents=True)
    (tmp_path / "data" / "cifar10" / "cifar-10-python.tar.gz.part").write_bytes(pictures)
    assert get("cifar10")[0] == 0
    assert left(tmp_path) == [cifar.FOLDER]


def test_an_archive_put_there_by_hand_is_taken_without_a_network(
    get: Run, pictures: bytes, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "data" / "cifar10").mkdir(parents=True)
    (tmp_path / "data" / "cifar10" / "cifar-10-python.tar.gz").write_bytes(pictures)
    assert get("cifar10")[0] == 0
    assert server.asked == []


def test_wrong_bytes_are_removed(get: Run, pictures: bytes, server: Server, tmp_path: Path) -> None:
    server.files["cifar-10-python.tar.gz"] = pictures[:-1] + b"!"
    status, words = get("cifar10")
    assert status == 3
    assert_one_line(words, "SHA-256", "is removed, run the command again")
    assert left(tmp_path) == []


@pytest.mark.parametrize("answer", [403, 404, 500])
def test_a_server_that_refuses_is_quoted(
    get: Run, pictures: bytes, server: Server, answer: int, tmp_path: Path
) -> None:
    server.status = answer
    status, words = get("cifar10")
    assert status == 3
    assert_one_line(words, f"the server answered {answer}", "cifar-10-python.tar.gz")


def test_no_network_is_one_line(get: Run, pictures: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    [original] = flow.ORIGINALS["cifar10"]
    monkeypatch.setattr(flow, "ORIGINALS", {"cifar10": (replace(original, url=f"http://127.0.0.1:{port}/x.tar.gz"),)})
    status, words = get("cifar10")
    assert status == 3
    assert_one_line(words, f"cannot reach 127.0.0.1:{port}", "Connection refused", "check the network")
    assert left(tmp_path) == []


@contextmanager
def full_disk() -> Iterator[None]:
    """Within the block no file grows beyond 10 KiB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10 * KIB, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_what_came(get: Run, pictures: bytes, server: Server, tmp_path: Path) -> None:
    with full_disk():
        status, words = get("cifar10")
    assert status == 3
    assert_one_line(words, "the disk is full", "cifar-10-python.tar.gz.part")
    assert get("cifar10")[0] == 0


def test_a_disk_that_fills_while_unpacking_leaves_no_half_folder(get: Run, pictures: bytes, tmp_path: Path) -> None:
    (tmp_path / "data" / "cifar10").mkdir(parents=True)
    (tmp_path / "data" / "cifar10" / "cifar-10-python.tar.gz").write_bytes(pictures)
    with full_disk():
        status, words = get("cifar10")
    assert status == 3
    assert_one_line(words, "the disk is full")
    assert left(tmp_path) == ["cifar-10-python.tar.gz"]


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        tar.addfile(info)
    return packed.getvalue()


UNTRUSTED = {
    "outside": member("../../outside"),
    "absolute link": member("cifar-10-batches-py/link", tarfile.SYMTYPE, "/etc"),
    "link outside": member("cifar-10-batches-py/link", tarfile.SYMTYPE, "../../../outside"),
    "device": member("cifar-10-batches-py/device", tarfile.CHRTYPE),
    "no tar": gzip.compress(b"no archive"),
    "no gzip": b"no archive",
    "cut": member("cifar-10-batches-py/file")[:-60],
    "another folder": member("other/file"),
}


@pytest.mark.parametrize("content", UNTRUSTED.values(), ids=UNTRUSTED)
def test_an_archive_that_cannot_be_trusted_leaves_nothing(
    get: Run, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    serve(server, monkeypatch, "cifar10", [content])
    status, words = get("cifar10")
    assert status == 3
    assert_one_line(words, "cifar-10-python.tar.gz")
    assert left(tmp_path) == ["cifar-10-python.tar.gz"]
    assert not (tmp_path / "outside").exists()


def test_the_users_mistakes_are_status_2(get: Run, tmp_path: Path) -> None:
    status, words = get("imagenet")
    assert status == 2
    assert_one_line(words, "'imagenet'", "speech_commands or cifar10")
    (tmp_path / "file").write_text("x")
    status, words = get("cifar10", "--out", str(tmp_path / "file"))
    assert status == 2
    assert_one_line(words, "got the file", "--out")


def test_nowhere_to_write_to_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["data", "get", "cifar10"]) == 2
    assert_one_line(capsys.readouterr().err, "HARNESS_DATA", "--out")
