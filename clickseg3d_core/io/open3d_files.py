"""Formats that only Open3D reads here; it is an optional dependency."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io.color import to_uint8
from clickseg3d_core.io.record import CloudFile
from clickseg3d_core.types import PointCloud

POINT_SUFFIXES = (".xyz", ".xyzn", ".xyzrgb", ".pts")
MESH_SUFFIXES = (".obj", ".stl", ".off", ".gltf", ".glb")
_MESH_POINTS = 200_000


def read(path: Path) -> CloudFile:
    """Read a text cloud, or sample 200,000 points on the surface of a mesh.

    Raises:
        FileFormatError: if Open3D is not installed or finds no points.
    """
    try:
        import open3d
    except ImportError as error:
        raise FileFormatError(
            f"{path.suffix} files need Open3D ({error}); `pip install 'clickseg3d[open3d]'`, or "
            "convert the file to .ply"
        ) from error
    if not path.is_file():
        raise FileFormatError(f"{path} does not exist")
    if path.suffix.lower() in MESH_SUFFIXES:
        mesh = open3d.io.read_triangle_mesh(str(path))
        if len(mesh.triangles) == 0:
            raise FileFormatError(f"{path} holds no triangles that Open3D can read")
        open3d.utility.random.seed(0)
        points = mesh.sample_points_uniformly(_MESH_POINTS)
    else:
        points = open3d.io.read_point_cloud(str(path))
        if len(points.points) == 0:
            raise FileFormatError(f"{path} holds no points that Open3D can read")
    cloud = PointCloud(
        np.asarray(points.points, dtype=np.float64),
        to_uint8(np.asarray(points.colors)) if points.has_colors() else None,
        np.asarray(points.normals, dtype=np.float32) if points.has_normals() else None,
    )
    return CloudFile(cloud=cloud, path=path)
