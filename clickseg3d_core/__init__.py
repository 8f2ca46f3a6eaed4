"""clickseg3d: click an object in a 3-D scan and get it.

from clickseg3d_core import ClickSegmenter, PointCloud, Clicks

segmenter = ClickSegmenter.load()
encoding = segmenter.encode(PointCloud(xyz, rgb))
result = segmenter.segment(encoding, Clicks(positions, object_ids))
"""

from clickseg3d_core.errors import (
    CheckpointError,
    ClickError,
    ClickSegError,
    CloudError,
    ConfigError,
    FileFormatError,
)
from clickseg3d_core.segmenter import ClickSegmenter, Encoding
from clickseg3d_core.session import ClickSession
from clickseg3d_core.types import Clicks, Instance, OrientedBox, PointCloud, Segmentation

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "ClickError",
    "ClickSegError",
    "ClickSegmenter",
    "ClickSession",
    "Clicks",
    "CloudError",
    "ConfigError",
    "Encoding",
    "FileFormatError",
    "Instance",
    "OrientedBox",
    "PointCloud",
    "Segmentation",
]
