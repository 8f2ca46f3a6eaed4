"""PLY, ascii and binary: every property, element and comment is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyElement, PlyParseError

from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io.color import to_uint8
from clickseg3d_core.io.record import (
    Array,
    CloudFile,
    free_name,
    scalar_fields,
    stored_xyz,
    with_result,
)
from clickseg3d_core.types import PointCloud

_COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("R", "G", "B"))
_NORMAL_NAMES = ("nx", "ny", "nz")
_TRIANGLES = {"face": {"vertex_indices": 3, "vertex_index": 3}}


def read(path: Path) -> CloudFile:
    """Read the element `vertex`.

    Raises:
        FileFormatError: if the file is no PLY, is cut short, or has no x, y, z.
    """
    try:
        ply = _read_file(path)
    except (PlyParseError, ValueError, OSError, UnicodeDecodeError, IndexError, KeyError) as error:
        raise FileFormatError(f"{path} is no readable PLY file ({error})") from error
    if "vertex" not in ply:
        raise FileFormatError(f"{path} has no element `vertex`; it is no point cloud")
    rows = ply["vertex"].data
    names = set(rows.dtype.names)
    if not {"x", "y", "z"} <= names:
        raise FileFormatError(f"{path} needs the vertex properties x, y, z, got {sorted(names)}")
    color_names = next((c for c in _COLOR_NAMES if names.issuperset(c)), None)
    normal_names = _NORMAL_NAMES if names.issuperset(_NORMAL_NAMES) else None
    used = {"x", "y", "z", *(color_names or ()), *(normal_names or ())}
    cloud = PointCloud(
        _columns(rows, ("x", "y", "z")).astype(np.float64),
        to_uint8(_columns(rows, color_names)) if color_names else None,
        _columns(rows, normal_names).astype(np.float32) if normal_names else None,
    )
    fields = {n: rows[n] for n in rows.dtype.names if n not in used and rows[n].dtype != object}
    return CloudFile(cloud=cloud, fields=fields, path=path, native=ply)


def write(path: Path, file: CloudFile, added: dict[str, Array]) -> None:
    """Write the cloud with the `added` per-point arrays (N,), in the input's own encoding."""
    source = file.native if isinstance(file.native, PlyData) else None
    if source is None:
        element = PlyElement.describe(_fresh_rows(file, added), "vertex")
        PlyData([element]).write(str(path))
        return
    vertex = source["vertex"]
    rows = _extended_rows(vertex.data, added)
    element = PlyElement.describe(rows, "vertex", comments=vertex.comments, **_list_types(vertex))
    elements = [element if e.name == "vertex" else e for e in source.elements]
    PlyData(
        elements,
        text=source.text,
        byte_order=source.byte_order,
        comments=source.comments,
        obj_info=source.obj_info,
    ).write(str(path))


def _read_file(path: Path) -> PlyData:
    """Meshes of triangles only, as scanners write them, are read a hundred times faster."""
    try:
        return PlyData.read(str(path), known_list_len=_TRIANGLES)
    except PlyParseError:
        return PlyData.read(str(path))


def _columns(rows: NDArray[np.void], names: tuple[str, ...]) -> Array:
    return np.stack([rows[name] for name in names], axis=1)


def _list_types(vertex: PlyElement) -> dict[str, dict[str, str]]:
    """Types of list properties, which an object column no longer says."""
    lists = [p for p in vertex.properties if hasattr(p, "len_dtype")]
    return {
        "len_types": {p.name: p.len_dtype for p in lists},
        "val_types": {p.name: p.val_dtype for p in lists},
    }


def _extended_rows(rows: NDArray[np.void], added: dict[str, Array]) -> NDArray[np.void]:
    names = list(rows.dtype.names or ())
    taken = set(names) | set(added)
    kept: list[tuple[str, str]] = []
    for name in names:
        new = free_name(name, taken) if name in added else name
        taken.add(new)
        kept.append((name, new))
    dtype = [(new, rows.dtype[old].str) for old, new in kept]
    dtype += [(name, array.dtype.str) for name, array in added.items()]
    wide = np.empty(len(rows), dtype=dtype)
    for old, new in kept:
        wide[new] = rows[old]
    for name, array in added.items():
        wide[name] = array
    return wide


def _fresh_rows(file: CloudFile, added: dict[str, Array]) -> NDArray[np.void]:
    cloud = file.cloud
    xyz = stored_xyz(cloud)
    columns: dict[str, Array] = {axis: xyz[:, i] for i, axis in enumerate("xyz")}
    if cloud.normals is not None:
        columns.update({n: cloud.normals[:, i] for i, n in enumerate(_NORMAL_NAMES)})
    if cloud.rgb is not None:
        columns.update({n: cloud.rgb[:, i] for i, n in enumerate(_COLOR_NAMES[0])})
    others = {_ply_name(n): a for n, a in scalar_fields(with_result(file.fields, added)).items()}
    for name, array in others.items():
        columns[free_name(name, set(columns))] = _ply_type(array)
    rows = np.empty(len(cloud), dtype=[(n, a.dtype.str) for n, a in columns.items()])
    for name, array in columns.items():
        rows[name] = array
    return rows


def _ply_name(name: str) -> str:
    plain = name.encode("ascii", "replace").decode()
    return "_".join(plain.split()) or "field"


def _ply_type(array: Array) -> Array:
    """PLY has no 64-bit integers and no half floats."""
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8:
        return array
    limits = np.iinfo(np.int32)
    fits = array.size == 0 or (int(array.min()) >= limits.min and int(array.max()) <= limits.max)
    return array.astype(np.int32 if fits else np.float64)
