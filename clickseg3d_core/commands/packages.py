"""Packages that only some commands need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clickseg3d_core.errors import ConfigError

_PACKAGES = {"train": {"trimesh", "embreex", "lightning_fabric"}, "browser": {"viser"}}
"""Of each extra in setup.py."""


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Turn a missing package of an extra into a sentence that says how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES[extra]:
            raise
        raise ConfigError(
            f"this needs the package {error.name}; `pip install 'clickseg3d[{extra}]'`"
        ) from error
