"""Rows of large PLY files, mapped into memory rather than read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyParseError

from clickseg3d_core.errors import FileFormatError


def map_rows(path: Path, needed: tuple[str, ...]) -> NDArray[np.void]:
    """The vertices of a PLY file, which may be none.

    Args:
        path: The file.
        needed: Properties that it must have.

    Returns:
        (N,) structured; those of a binary file are read from disk where they are looked at.

    Raises:
        FileFormatError: if the file is missing, damaged or lacks a property.
    """
    try:
        rows = PlyData.read(str(path))["vertex"].data
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror})") from error
    except (PlyParseError, ValueError, IndexError, KeyError) as error:
        raise FileFormatError(f"{path} is damaged or no PLY file of points ({error})") from error
    missing = sorted(set(needed) - set(rows.dtype.names))
    if missing:
        raise FileFormatError(f"{path} lacks the vertex properties {missing}")
    return np.asarray(rows)
