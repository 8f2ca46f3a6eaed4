"""clickseg3d: click an object in a 3-D scan and get it.

from clickseg3d_core import ClickSegmenter, PointCloud, Clicks

segmenter = ClickSegmenter.load()
encoding = segmenter.encode(PointCloud(xyz, rgb))
result = segmenter.segment(encoding, Clicks(positions, object_ids))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from clickseg3d_core.errors import (
    CheckpointError,
    ClickError,
    ClickSegError,
    CloudError,
    ConfigError,
    FileFormatError,
)
from clickseg3d_core.session import ClickSession
from clickseg3d_core.types import Clicks, Instance, OrientedBox, PointCloud, Segmentation

if TYPE_CHECKING:
    from clickseg3d_core.closeup import CloseUp
    from clickseg3d_core.segmenter import ClickSegmenter, Encoding

__version__ = "0.1.0"

_LATER = {
    "ClickSegmenter": "clickseg3d_core.segmenter",
    "CloseUp": "clickseg3d_core.closeup",
    "Encoding": "clickseg3d_core.segmenter",
}

__all__ = [
    "CheckpointError",
    "ClickError",
    "ClickSegError",
    "ClickSegmenter",
    "ClickSession",
    "Clicks",
    "CloseUp",
    "CloudError",
    "ConfigError",
    "Encoding",
    "FileFormatError",
    "Instance",
    "OrientedBox",
    "PointCloud",
    "Segmentation",
]


def __getattr__(name: str) -> Any:
    """Import the segmenter, and with it torch, when it is first asked for."""
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
