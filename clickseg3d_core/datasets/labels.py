"""Label columns of files as instance ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import FileFormatError

_MAX_ID = 10_000_000


def whole_numbers(labels: NDArray[np.generic], path: Path, name: str) -> NDArray[np.int64]:
    """Labels as integers; many files store ids as floats.

    Args:
        labels: (N,) of any numeric type.
        path: The file, for messages.
        name: What the column is called, for messages.

    Returns:
        (N,) int64.

    Raises:
        FileFormatError: if the shape is another, a value is no whole number, or one is larger
            than any id.
    """
    if labels.ndim != 1 or labels.dtype.kind not in "iufb":
        raise FileFormatError(
            f"{path}: {name} must be one number per point, got {labels.dtype} {labels.shape}"
        )
    if labels.dtype.kind == "f":
        wrong = np.flatnonzero(~(np.isfinite(labels) & (labels == np.rint(labels))))
        if len(wrong):
            raise FileFormatError(
                f"{path}: {name} must hold whole numbers, got {labels[wrong[0]]} at point "
                f"{wrong[0]} (counted from 0)"
            )
    if labels.size and labels.max() > _MAX_ID:
        raise FileFormatError(
            f"{path}: {name} must be at most {_MAX_ID}, got {labels.max()} at point "
            f"{labels.argmax()} (counted from 0)"
        )
    return labels.astype(np.int64)


def whole_number(value: object, where: str) -> int:
    """One id, often written like 13.0.

    Args:
        value: Number or text.
        where: File and place, for messages.

    Raises:
        FileFormatError: if it is no whole number, negative or larger than any id.
    """
    try:
        number = float(value) if isinstance(value, int | float | str) else np.nan
    except (ValueError, OverflowError):
        number = np.nan
    if isinstance(value, bool) or not number.is_integer() or not 0 <= number <= _MAX_ID:
        raise FileFormatError(f"{where}: an id must be a whole number of 0 or more, got {value!r}")
    return int(number)


def unlabelled_to_zero(ids: NDArray[np.int64]) -> NDArray[np.int32]:
    """(N,) ids with everything negative as 0, our mark of an unlabelled point."""
    return np.maximum(ids, 0).astype(np.int32)


def count_of_ids(instance: NDArray[np.int32]) -> int:
    """Length of an `instance_class` that has an entry for each id of (N,) `instance`."""
    return int(instance.max(initial=0)) + 1
