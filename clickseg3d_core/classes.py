"""The 35 semantic classes of the shipped weights, one per semantic prototype.

The paper uses 35 prototypes and does not name them. These cover rooms, table tops and streets.
"""

CLASS_NAMES: tuple[str, ...] = (
    "wall",
    "floor",
    "ceiling",
    "door",
    "window",
    "curtain",
    "picture",
    "cabinet",
    "shelf",
    "table",
    "chair",
    "sofa",
    "bed",
    "counter",
    "sink",
    "toilet",
    "lamp",
    "screen",
    "appliance",
    "box",
    "bag",
    "book",
    "bottle",
    "tableware",
    "toy",
    "tool",
    "food",
    "pillow",
    "plant",
    "person",
    "vehicle",
    "pole",
    "tree",
    "barrier",
    "other",
)

CLASS_IDS: dict[str, int] = {name: index for index, name in enumerate(CLASS_NAMES)}
