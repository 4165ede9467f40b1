"""Unpack a .tar.gz into a folder that appears whole or not at all."""

import tarfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.errors import EnvironmentFailure
from harness.report.progress import Speaker


def extract(archive: Path, inside: str, target: Path, speaker: Speaker) -> None:
    """Unpack an archive.

    Args:
        archive: a .tar.gz. A member that would land outside, a device or a link that leads out is refused.
        inside: the folder in it that becomes `target`, "" for all of it.
        target: must not exist; its parent must.
        speaker: says what is done.

    Raises:
        EnvironmentFailure: no such archive, a member that is refused, or no folder `inside`.
        OSError: the disk is full; nothing is left behind.
    """
    if not hasattr(tarfile, "data_filter"):  # what makes unpacking safe came with 3.11.4
        raise EnvironmentFailure("expected Python 3.11.4 or newer to unpack archives safely: update Python")
    speaker.say(f"{archive.name}: unpacking to {target}")
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as work:
        # One folder deeper: the temporary folder itself is closed to other users, its content is not.
        everything = Path(work) / "content"
        everything.mkdir()
        try:
            _unpack(archive, everything, speaker)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise EnvironmentFailure(f"refused to unpack {archive}: {error}; nothing of it is kept") from error
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), error.filename or str(target)) from error
        content = everything / inside
        if not content.is_dir():
            raise EnvironmentFailure(f"expected a folder {inside} in {archive}, found none")
        content.replace(target)


def _unpack(archive: Path, folder: Path, speaker: Speaker) -> None:
    with (
        archive.open("rb") as packed,
        tarfile.open(fileobj=packed, mode="r:gz") as tar,
        speaker.bytes_bar(f"unpacking {archive.name}", archive.stat().st_size) as advance,
    ):
        done = 0
        for member in tar:
            tar.extract(member, folder, filter="data")
            advance(packed.tell() - done)
            done = packed.tell()
