"""NumPy files: .npz with named arrays and .npy with columns."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io.color import to_uint8
from clickseg3d_core.io.record import (
    Array,
    CloudFile,
    scalar_fields,
    stored_xyz,
    with_result,
)
from clickseg3d_core.types import PointCloud

_XYZ_KEYS = ("xyz", "points", "coords", "coord", "positions")
_RGB_KEYS = ("rgb", "colors", "color")
_NORMAL_KEYS = ("normals", "normal")


def read_npz(path: Path) -> CloudFile:
    """Read the arrays xyz (or points, coords), rgb (or colors) and normals; keep all others.

    Raises:
        FileFormatError: if the file is no .npz, is cut short or has no xyz.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            if not hasattr(data, "files"):
                raise ValueError("one array without names; call it .npy")
            arrays: dict[str, Array] = {name: data[name] for name in data.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path} is no readable .npz file ({error})") from error
    xyz_key = next((k for k in _XYZ_KEYS if k in arrays), None)
    if xyz_key is None:
        raise FileFormatError(f"{path} needs an array named xyz or points, got {sorted(arrays)}")
    xyz = arrays[xyz_key]
    rgb_key = _first(arrays, _RGB_KEYS, xyz.shape)
    normal_key = _first(arrays, _NORMAL_KEYS, xyz.shape)
    cloud = PointCloud(
        _numbers(path, xyz_key, xyz),
        to_uint8(arrays[rgb_key]) if rgb_key else None,
        arrays[normal_key].astype(np.float32) if normal_key else None,
    )
    used = {xyz_key, rgb_key, normal_key}
    fields = {
        name: array
        for name, array in arrays.items()
        if name not in used and array.ndim and len(array) == len(cloud)
    }
    return CloudFile(cloud=cloud, fields=fields, path=path, native=arrays)


def write_npz(path: Path, file: CloudFile, added: dict[str, Array]) -> None:
    """Write all arrays of the input, or xyz, rgb, normals and fields, with the `added` ones."""
    if isinstance(file.native, dict):
        arrays = with_result(file.native, added)
    else:
        arrays = {"xyz": stored_xyz(file.cloud)}
        if file.cloud.rgb is not None:
            arrays["rgb"] = file.cloud.rgb
        if file.cloud.normals is not None:
            arrays["normals"] = file.cloud.normals
        arrays |= with_result({k: v for k, v in file.fields.items() if k not in arrays}, added)
    # np.savez takes names as keywords and so cannot write arrays named `file` or `allow_pickle`.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)


def read_npy(path: Path) -> CloudFile:
    """Read an (N, 3+) array: x, y, z, then r, g, b if there are six columns or more.

    Columns 3..5 are color only if all their values lie within 0..255; other columns are kept as
    column_<number>.

    Raises:
        FileFormatError: if the file is no .npy, is cut short or has another shape.
    """
    try:
        table = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path} is no readable .npy file ({error})") from error
    if not isinstance(table, np.ndarray) or table.ndim != 2 or table.shape[1] < 3:
        shape = getattr(table, "shape", "several arrays")
        raise FileFormatError(f"{path} needs an array (N, 3) or wider, x y z [r g b], got {shape}")
    if table.dtype.kind not in "iuf":
        raise FileFormatError(f"{path} needs numbers, got {table.dtype}")
    rest = table[:, 3:6]
    colored = rest.shape[1] == 3 and bool(((rest >= 0) & (rest <= 255)).all())
    first = 6 if colored else 3
    return CloudFile(
        cloud=PointCloud(table[:, :3].astype(np.float64), to_uint8(rest) if colored else None),
        fields={f"column_{c}": table[:, c] for c in range(first, table.shape[1])},
        path=path,
        native=table,
    )


def write_npy(path: Path, file: CloudFile, added: dict[str, Array]) -> None:
    """Write one table whose last three columns are instance, class and score.

    Before them stand the input's columns, or x, y, z, r, g, b (if any) and the numeric fields.
    """
    if isinstance(file.native, np.ndarray):
        columns = [file.native]
    else:
        columns = [stored_xyz(file.cloud)]
        if file.cloud.rgb is not None:
            columns.append(file.cloud.rgb)
        columns += [array[:, None] for array in scalar_fields(file.fields).values()]
    columns += [array[:, None] for array in added.values()]
    with path.open("wb") as stream:
        np.save(stream, np.concatenate([c.astype(np.float64) for c in columns], axis=1))


def _numbers(path: Path, name: str, array: Array) -> NDArray[np.float64]:
    if array.dtype.kind not in "iuf":
        raise FileFormatError(f"{path}: {name} must be numbers of shape (N, 3), got {array.dtype}")
    return array.astype(np.float64)


def _first(arrays: dict[str, Array], keys: tuple[str, ...], shape: tuple[int, ...]) -> str | None:
    return next((k for k in keys if k in arrays and arrays[k].shape == shape), None)
