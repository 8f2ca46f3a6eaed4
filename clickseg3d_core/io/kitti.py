"""KITTI sweeps: .bin with x, y, z, intensity and the .label file of SemanticKITTI beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clickseg3d_core.atomic import check_can_write, replacing
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io.record import NO_CLASS, Array, CloudFile
from clickseg3d_core.types import PointCloud

_ROW_BYTES = 16
_MAX_INSTANCE = 0xFFFF
_MAX_LOSS = 1e-3  # metres


def read(path: Path) -> CloudFile:
    """Read (N, 4) float32 rows x, y, z in metres and intensity.

    Raises:
        FileFormatError: if the size is no multiple of 16 bytes.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror})") from error
    if len(raw) % _ROW_BYTES:
        raise FileFormatError(
            f"{path} is no KITTI sweep or is cut short: {len(raw)} bytes are no whole number of "
            "rows of four float32"
        )
    rows = np.frombuffer(raw, dtype="<f4").reshape(-1, 4)
    return CloudFile(
        cloud=PointCloud(rows[:, :3].astype(np.float64)),
        fields={"intensity": rows[:, 3]},
        path=path,
        native=rows,
    )


def check(path: Path, file: CloudFile) -> None:
    """Find out whether float32 holds the points and the .label file may be written.

    Raises:
        FileFormatError: if a point would move by more than a millimetre, or the .label file cannot
            be written or would replace the labelling of another sweep.
    """
    label = path.with_suffix(".label")
    check_can_write(label)
    rows = file.cloud.xyz[np.isfinite(file.cloud.xyz).all(axis=1)]
    with np.errstate(over="ignore"):
        loss = np.abs(rows.astype(np.float32) - rows).max()
    if loss > _MAX_LOSS:
        raise FileFormatError(
            f".bin holds float32, which would move points by {loss:.2g} m; write .ply, or subtract "
            "an offset from the coordinates"
        )
    if label.exists() and not path.exists():
        raise FileFormatError(f"{label} exists and would be overwritten; choose another name")


def write(path: Path, file: CloudFile, added: dict[str, Array]) -> None:
    """Write the sweep, and beside it .label, uint32: instance << 16 | (class index + 1).

    0 in the low half means no class. The format has no room for the score.

    Raises:
        FileFormatError: if an instance id does not fit into 16 bits, or a file cannot be written.
    """
    instance = added["instance"].astype(np.int64)
    if instance.size and instance.max() > _MAX_INSTANCE:
        raise FileFormatError(
            f".label holds instance ids up to {_MAX_INSTANCE}, got {instance.max()}; write .ply"
        )
    classes = added["class"].astype(np.int64) - NO_CLASS
    rows = np.zeros((len(file.cloud), 4), dtype="<f4")
    rows[:, :3] = file.cloud.xyz
    intensity = file.fields.get("intensity")
    if intensity is not None and intensity.ndim == 1:
        rows[:, 3] = intensity
    with replacing(path) as points, replacing(path.with_suffix(".label")) as labels:
        points.write_bytes(rows.tobytes())
        labels.write_bytes((instance << 16 | classes).astype("<u4").tobytes())
