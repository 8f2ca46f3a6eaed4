"""The protocols of the field: who clicks where, what a click is worth, where the IoU is taken.

Figures of different protocols do not compare. The rules are those of the released code:
AGILE3D (Yue et al., ICLR 2024), InterObject3D (Kontogianni et al., ICRA 2023) and SNAP (Gupta et
al., 2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clickseg3d_core.errors import ConfigError

Kind = Literal["multi", "single"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How a simulated user works and how its work is measured.

    Attributes:
        name: agile3d-multi, agile3d-single, interobject3d or snap.
        kind: multi: the objects of an episode are clicked together; single: one at a time.
        clicks: Most clicks per object, on average over the objects of an episode. The number of
            clicks counts as this where an IoU is never reached.
        voxel_size: Metres: the user sees one point per voxel, the first in file order. None takes
            the voxels of the encoding.
        user: innermost: the first click on an object, and each further one on the largest group of
            errors of the scene, go to the innermost point (`clicks`). centroid: the first goes to
            the object's point nearest to its centroid, each further one to a random point that was
            missed, or to any point of the object if none was.
        missed_first: Of an equally large part missed and part taken too much, the innermost user
            clicks the missed one.
        painted: What a click itself is worth. voxel: the clicked voxel carries the click's label,
            and the points of a voxel all carry the label of the one that the user sees. cube: the
            points around the click, nearer than `cube` on every axis, carry its label, background
            clicks last. nothing: the answer stays as it is.
        cube: Metres, half an edge of the cube.
        crop: Metres, edge of the square in x and y, around the center of the object's bounding box,
            that the cloud is cut to; None leaves the cloud whole.
        thinned: The cloud is thinned to the points that the user sees before anything else.
        min_points: Objects with fewer points in the cloud, once cut and thinned, are left out.
    """

    name: str
    kind: Kind
    clicks: int = 20
    voxel_size: float | None = 0.05
    user: Literal["innermost", "centroid"] = "innermost"
    missed_first: bool = False
    painted: Literal["voxel", "cube", "nothing"] = "voxel"
    cube: float = 0.05
    crop: float | None = None
    thinned: bool = False
    min_points: int = 1

    def __post_init__(self) -> None:
        if self.clicks < 1:
            raise ConfigError(f"a protocol needs at least one click, got {self.clicks}")
        if self.voxel_size is not None and not self.voxel_size > 0:
            raise ConfigError(
                f"the protocol's voxel size must be positive metres or auto, got {self.voxel_size}"
            )
        if self.voxel_size is None and self.thinned:
            raise ConfigError(f"{self.name} thins the cloud; give its voxel size in metres")


PROTOCOLS: tuple[Protocol, ...] = (
    Protocol(name="agile3d-multi", kind="multi"),
    Protocol(name="agile3d-single", kind="single"),
    Protocol(name="interobject3d", kind="single", missed_first=True, painted="cube", crop=5.0),
    Protocol(
        name="snap",
        kind="single",
        clicks=10,
        voxel_size=0.02,
        user="centroid",
        painted="nothing",
        thinned=True,
        min_points=10,
    ),
)


def protocol_named(name: str) -> Protocol:
    """Look up a protocol.

    Raises:
        ConfigError: if there is none of that name.
    """
    for protocol in PROTOCOLS:
        if protocol.name == name:
            return protocol
    known = ", ".join(p.name for p in PROTOCOLS)
    raise ConfigError(f"protocol must be one of {known}, got {name!r}")
