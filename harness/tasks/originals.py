"""The data sets as their authors publish them: where, how big, and what their bytes are."""

from dataclasses import dataclass
from typing import Final

from harness.tasks import cifar, kws


@dataclass(frozen=True)
class Original:
    """One archive of a data set.

    Attributes:
        url: the authors' own address.
        size: of the archive, bytes.
        sha256: of the archive.
        folder: below the data set's folder, where its content goes; the loaders in `kws` and `vision` read it there.
        inside: the folder in the archive that holds the content, "" for all of it.
    """

    url: str
    size: int
    sha256: str
    folder: str
    inside: str = ""

    @property
    def file_name(self) -> str:
        """The archive's name."""
        return self.url.rsplit("/", 1)[-1]


# Speech Commands: sums as TensorFlow Datasets and torchaudio list them. CIFAR-10: as Keras lists it (its authors
# publish the MD5 c58f30108f718f92721af3b95e74349a of the same file).
ORIGINALS: Final[dict[str, tuple[Original, ...]]] = {
    "speech_commands": (
        Original(
            url="http://download.tensorflow.org/data/speech_commands_test_set_v0.02.tar.gz",
            size=112_563_277,
            sha256="cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
            folder=kws.TEST_SET,
        ),
        Original(
            url="http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            size=2_428_923_189,
            sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            folder=kws.CORPUS,
        ),
    ),
    "cifar10": (
        Original(
            url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            size=170_498_071,
            sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            folder=cifar.FOLDER,
            inside=cifar.FOLDER,
        ),
    ),
}
