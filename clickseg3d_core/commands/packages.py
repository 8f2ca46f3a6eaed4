"""Packages that only some commands need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clickseg3d_core.errors import ConfigError

_TRAIN_PACKAGES = {"trimesh", "embreex", "lightning_fabric"}


@contextmanager
def needing_train_packages() -> Iterator[None]:
    """Turn a missing training package into a sentence that says how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _TRAIN_PACKAGES:
            raise
        raise ConfigError(
            f"this needs the package {error.name}; `pip install 'clickseg3d[train]'`"
        ) from error
