"""Download one big file: goes on where it stopped, and is there only when its checksum is right."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.errors import EnvironmentFailure
from harness.report.progress import Speaker

_CHUNK = 1 << 18
"""Bytes."""
_TIMEOUT_S = (20, 60)
"""Until a server must have answered, and until it must have sent something more."""


class _Broken(Exception):
    """The connection broke; what came is kept."""


def download(url: str, path: Path, sha256: str, speaker: Speaker) -> None:
    """Download `url` to `path`, by way of `path` with `.part` behind it, which the next call goes on with.

    A connection that breaks is taken up again (HTTP Range) as long as each attempt brings something. A server that
    knows no ranges starts again at the first byte.

    Args:
        url: http or https; proxies are taken from the environment.
        path: in a folder that exists; must not be there.
        sha256: 64 hex digits of the whole file.
        speaker: says what is done.

    Raises:
        EnvironmentFailure: no network, the server refused, or the bytes are not those expected (they are removed).
        OSError: the disk is full; what came is kept.
    """
    part = path.with_name(path.name + ".part")
    while True:
        before = _size(part)
        try:
            _transfer(url, part, speaker)
            break
        except _Broken as broken:
            if _size(part) <= before:
                raise EnvironmentFailure(_gave_up(url, part, str(broken))) from broken
            speaker.say(f"{path.name}: the connection broke at {_size(part):,} bytes ({broken}), going on there")
    check(part, sha256, url, speaker)
    part.replace(path)


def check(path: Path, sha256: str, url: str, speaker: Speaker) -> None:
    """Compare a file with its checksum, and remove it where it differs.

    Raises:
        EnvironmentFailure: it differs.
    """
    speaker.say(f"{path.name}: checking {_size(path):,} bytes")
    digest = hashlib.sha256()
    with path.open("rb") as file, speaker.bytes_bar(f"checking {path.name}", _size(path)) as advance:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            advance(len(chunk))
    found = digest.hexdigest()
    if found != sha256:
        path.unlink()
        raise EnvironmentFailure(
            f"expected the bytes of {url} with the SHA-256 {sha256}, got {found}: {path} is removed, run the command "
            "again; if it happens twice, somebody changed the file"
        )


def _transfer(url: str, part: Path, speaker: Speaker) -> None:
    """Send one request for what is still missing, and append what comes.

    Raises:
        _Broken: the connection broke, or less came than was announced.
        EnvironmentFailure: the server refused.
    """
    done = _size(part)
    with _explained(), _answer(url, done) as response:
        if done and response.status_code == 416:  # nothing is behind what is there; the checksum has the last word
            return
        start = _start(response, done, url)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        if start:
            speaker.say(f"{part.name}: going on at {start:,} bytes")
        with speaker.bytes_bar(part.stem, total, start) as advance:
            for count in _append(response, part, start):
                advance(count)
    if total is not None and _size(part) < total:
        raise _Broken(f"{_size(part):,} of {total:,} bytes came")


def _answer(url: str, done: int) -> Any:
    """Ask for everything behind the first `done` bytes, as it lies there: the checksum is of the packed bytes."""
    import requests

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    return requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S)


def _start(response: Any, done: int, url: str) -> int:
    """Return where in the file the answer begins.

    Raises:
        EnvironmentFailure: the server sends no file, or a part that does not join what is there.
    """
    if response.status_code == 200:
        return 0
    if response.status_code != 206:
        raise EnvironmentFailure(
            f"expected {url}, the server answered {response.status_code} {response.reason}: try again later"
        )
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if not found or int(found[1]) > done:
        raise EnvironmentFailure(f"expected {url} from byte {done}, the server sent another part: try again later")
    return int(found[1])


def _append(response: Any, part: Path, start: int) -> Iterator[int]:
    """Write what comes behind the first `start` bytes of `part`; yield how many bytes came."""
    with part.open("r+b" if part.exists() else "wb") as file:
        file.truncate(start)
        file.seek(start)
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            try:
                file.write(chunk)
                file.flush()
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(part)) from error
            yield len(chunk)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn every way in which a connection can fail into `_Broken` with the innermost reason."""
    import requests
    import urllib3

    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _Broken(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """Return what the innermost of nested exceptions says."""
    while True:
        nested = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
        inner = next((one for one in nested if isinstance(one, BaseException)), None)
        if inner is None:
            return str(error) or type(error).__name__
        error = inner


def _gave_up(url: str, part: Path, reason: str) -> str:
    if not _size(part):
        return f"cannot reach {urlsplit(url).netloc} for {url}: {reason}; check the network and run the command again"
    return f"expected {url} whole, {_size(part):,} bytes came: {reason}; they are kept, run the command again to go on"


def _size(path: Path) -> int:
    """Return the size of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0
