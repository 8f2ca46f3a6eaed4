"""Class names of the data sets.

ScanNet's are the 40 classes of NYU Depth v2 as AGILE3D's lists write them, without spaces and
hyphens; index = NYU40 id - 1. An index into the names of KITTI-360 is its semantic id.
"""

from __future__ import annotations

SCANNET40: tuple[str, ...] = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf",
    "picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror",
    "floormat", "clothes", "ceiling", "books", "refridgerator", "television", "paper", "towel",
    "showercurtain", "box", "whiteboard", "person", "nightstand", "toilet", "sink", "lamp",
    "bathtub", "bag", "otherstructure", "otherfurniture", "otherprop",
)  # fmt: skip

_SCANNET20_IDS = (*range(1, 13), 14, 16, 24, 28, 33, 34, 36, 39)
SCANNET20: tuple[str, ...] = tuple(SCANNET40[i - 1] for i in _SCANNET20_IDS)

S3DIS13: tuple[str, ...] = (
    "ceiling", "floor", "wall", "beam", "column", "window", "door", "table", "chair", "sofa",
    "bookcase", "board", "clutter",
)  # fmt: skip

KITTI360: tuple[str, ...] = (
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic",
    "ground", "road", "sidewalk", "parking", "rail track", "building", "wall", "fence",
    "guard rail", "bridge", "tunnel", "pole", "polegroup", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "caravan", "trailer",
    "train", "motorcycle", "bicycle", "garage", "gate", "stop", "smallpole", "lamp", "trash bin",
    "vending machine", "box", "unknown construction", "unknown vehicle", "unknown object",
)  # fmt: skip

_KITTI360_TARGET_IDS = (17, 19, 20, 24, 26, 27, 29, 30, 32, 33, 34, 36, 37, 38, 39, 40, 41)
KITTI360_TARGETS: tuple[str, ...] = tuple(KITTI360[i] for i in _KITTI360_TARGET_IDS)
"""The 17 classes of AGILE3D's benchmark; its lists write their ids."""

SEMANTIC_KITTI19: tuple[str, ...] = (
    "car", "bicycle", "motorcycle", "truck", "other-vehicle", "person", "bicyclist",
    "motorcyclist", "road", "parking", "sidewalk", "other-ground", "building", "fence",
    "vegetation", "trunk", "terrain", "pole", "traffic-sign",
)  # fmt: skip

SEMANTIC_KITTI_IDS: dict[int, str] = {
    10: "car", 11: "bicycle", 13: "other-vehicle", 15: "motorcycle", 16: "other-vehicle",
    18: "truck", 20: "other-vehicle", 30: "person", 31: "bicyclist", 32: "motorcyclist",
    40: "road", 44: "parking", 48: "sidewalk", 49: "other-ground", 50: "building", 51: "fence",
    60: "road", 70: "vegetation", 71: "trunk", 72: "terrain", 80: "pole", 81: "traffic-sign",
    252: "car", 253: "bicyclist", 254: "person", 255: "motorcyclist", 256: "other-vehicle",
    257: "other-vehicle", 258: "truck", 259: "other-vehicle",
}  # fmt: skip
"""Class of each raw label id, as the benchmark maps them; the others are unlabelled."""
