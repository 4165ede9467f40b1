"""Pickles as Python 2 wrote them: its `str` becomes bytes, numpy's modules have their old names."""

import io
import pickle
from typing import Any, ClassVar


class _Python2Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_text(self, value: bytes | str) -> None:
        raw = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + len(raw).to_bytes(4, "little") + raw)
        self.memoize(value)

    dispatch[bytes] = save_text
    dispatch[str] = save_text


def dump(value: Any) -> bytes:
    """Return `value` as a pickle of Python 2, protocol 2."""
    file = io.BytesIO()
    _Python2Pickler(file, 2, fix_imports=True).dump(value)
    return file.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")
