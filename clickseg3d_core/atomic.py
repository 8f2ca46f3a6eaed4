"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickseg3d_core.errors import FileFormatError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, renamed to it when the block ends well.

    The temporary name keeps the suffix, since some writers choose the format by it.

    Raises:
        FileFormatError: if the folder is missing or not writable.
    """
    try:
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix
        )
    except OSError as error:
        raise FileFormatError(
            f"{path} cannot be written ({error.strerror}); give a file in an existing, writable "
            "folder"
        ) from error
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_can_write(path: Path) -> None:
    """Find out before the long work whether `path` can be written.

    Raises:
        FileFormatError: if the path is a folder, or its folder is missing or not writable.
    """
    if path.is_dir():
        raise FileFormatError(f"{path} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise FileFormatError(f"{path.parent} is no folder; make it first or give another one")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise FileFormatError(f"{path.parent} is not writable; give a file in another folder")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
