"""What a benchmark made of each data set looks like, after AGILE3D's.

AGILE3D's own preparation is not published, so that the draws and the exact cuts of crops are ours:
they follow the published description, not the published lists. Crops are around the middle of the
object and over the full height: those of S3DIS have the 5 m x 5 m of InterObject3D; the 10 m of
KITTI-360, its 5 m around the objects of an episode, 9 episodes a window and reach of 20 m are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.datasets.vocabularies import KITTI360_TARGETS, SCANNET40, SEMANTIC_KITTI19
from clickseg3d_core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How episodes are made.

    Attributes:
        targets: Classes of objects to click; None = all objects, also those of unknown class.
        min_points: Smaller objects are no targets.
        max_objects: Objects of a multi-object episode at most.
        no_multi: Scenes with this word in their name get no multi-object episode; "" = none.
        single_crop: Side of the square cut out around a target for its single-object episode,
            metres; None = the whole scan.
        multi_crop: What is kept around the targets of a multi-object episode in x and y, metres;
            None = the whole scan.
        draws: Multi-object episodes a scene; more than one needs `multi_crop`.
        reach: Largest gap between the first object of an episode and the others, metres.
        tile: Side of the square tiles that training scenes are cut into, metres; None = whole.
        class_ids: Lists name classes by their number, as AGILE3D's do for KITTI-360.

    Raises:
        ConfigError: if a value is out of range.
    """

    targets: tuple[str, ...] | None = None
    min_points: int = 1
    max_objects: int = 10
    no_multi: str = ""
    single_crop: float | None = None
    multi_crop: float | None = None
    draws: int = 1
    reach: float = 1e9
    tile: float | None = None
    class_ids: bool = False

    def __post_init__(self) -> None:
        lengths = (self.single_crop, self.multi_crop, self.tile, self.reach)
        if min(self.min_points, self.max_objects, self.draws) < 1:
            raise ConfigError(
                f"min_points, max_objects and draws must be 1 or more, got {self.min_points}, "
                f"{self.max_objects} and {self.draws}"
            )
        if any(length is not None and not length > 0 for length in lengths):
            raise ConfigError(f"crop, reach and tile must be more than 0 m, got {lengths}")
        if self.draws > 1 and self.multi_crop is None:
            raise ConfigError("several episodes a scene need crops, or their keys would be equal")

    def is_target(self, scene: Scene, instance: int, points: int) -> bool:
        """Whether an object of so many points is one to click."""
        if points < self.min_points:
            return False
        return self.targets is None or scene.class_name(instance) in self.targets

    def class_text(self, scene: Scene, instance: int) -> str:
        """Class of an object as the lists write it, "" = unknown."""
        index = int(scene.instance_class[instance])
        return str(index) if self.class_ids and index >= 0 else scene.class_name(instance)


_SWEEP_MIN_POINTS = 50

RULES: Mapping[str, Rules] = {
    "scannet": Rules(targets=SCANNET40),
    "s3dis": Rules(no_multi="hallway", single_crop=5.0),
    "kitti360": Rules(
        targets=KITTI360_TARGETS,
        min_points=100,
        max_objects=5,
        single_crop=10.0,
        multi_crop=5.0,
        draws=9,
        reach=20.0,
        tile=50.0,
        class_ids=True,
    ),
    "kitti360-sweeps": Rules(
        targets=KITTI360_TARGETS, min_points=_SWEEP_MIN_POINTS, class_ids=True
    ),
    "semantickitti": Rules(targets=SEMANTIC_KITTI19, min_points=_SWEEP_MIN_POINTS),
    "agile3d": Rules(),
    "folder": Rules(min_points=30),
}
