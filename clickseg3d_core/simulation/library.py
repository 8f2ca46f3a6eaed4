"""Object meshes from a folder, for more variety than shapes give."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.simulation import appearance as paint
from clickseg3d_core.simulation.class_map import our_class
from clickseg3d_core.simulation.mesh import Mesh, from_arrays
from clickseg3d_core.simulation.world import Item

_SUFFIXES = {".ply", ".obj", ".glb", ".stl", ".off"}


@dataclass(frozen=True, kw_only=True, slots=True)
class MeshEntry:
    """One mesh of a library.

    Attributes:
        path: Mesh file.
        class_name: Our class of the main body.
        part_classes: Our class per part number, where parts are separate objects.
        extent: Side lengths in metres.
        place: "tabletop", "indoor" or "outdoor".
        stuff: True for walls, floors and ground, which are not objects.
    """

    path: Path
    class_name: str
    part_classes: tuple[tuple[int, str], ...]
    extent: tuple[float, float, float]
    place: str
    stuff: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class MeshLibrary:
    """Meshes to draw from.

    Attributes:
        entries: All meshes.
    """

    entries: tuple[MeshEntry, ...]
    _cache: dict[Path, Mesh] = field(default_factory=dict, repr=False)

    def mesh(self, entry: MeshEntry) -> Mesh:
        """Load a mesh, once."""
        if entry.path not in self._cache:
            self._cache[entry.path] = load_mesh(entry.path)
        return self._cache[entry.path]

    def item(self, entry: MeshEntry, rng: np.random.Generator | None = None) -> Item:
        """An item of a mesh; with `rng` it is scaled, mirrored and half of the time recolored."""
        mesh = self.mesh(entry)
        names = dict(entry.part_classes)
        parts, part = np.unique(mesh.part, return_inverse=True)
        classes = tuple(names.get(int(p), entry.class_name) for p in parts)
        white = paint.plain(np.ones(3))
        mesh = Mesh(
            vertices=mesh.vertices, faces=mesh.faces, slot=np.zeros(len(mesh.faces), np.int32),
            part=part.astype(np.int32), tint=mesh.tint,
        )  # fmt: skip
        if rng is None:
            return Item(mesh=mesh, classes=classes, materials=(white,))
        return _varied(mesh, classes, rng)

    def draw(
        self, rng: np.random.Generator, classes: Collection[str], places: Collection[str]
    ) -> Item | None:
        """A varied item of one of our classes (any if empty) and places; None if there is none."""
        fitting = [
            e for e in self.entries
            if not e.stuff and e.place in places and (not classes or e.class_name in classes)
        ]  # fmt: skip
        if not fitting:
            return None
        names = sorted({e.class_name for e in fitting})
        weights = np.sqrt([sum(e.class_name == n for e in fitting) for n in names])
        name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        group = [e for e in fitting if e.class_name == name]
        return self.item(group[int(rng.integers(len(group)))], rng)

    def small_object(self, rng: np.random.Generator) -> Item | None:
        """A thing that fits on a table, or None if the library has none."""
        return self.draw(rng, (), ("tabletop",))


def _varied(mesh: Mesh, classes: tuple[str, ...], rng: np.random.Generator) -> Item:
    """Scale 0.8-1.25 with little change of proportions, mirror, and recolor half of the time."""
    scale = rng.uniform(0.85, 1.18) * rng.uniform(0.94, 1.06, 3)
    scale[0] *= -1.0 if rng.random() < 0.5 else 1.0
    material = paint.plain(np.ones(3))
    tint = mesh.tint
    if rng.random() < 0.5:
        if rng.random() < 0.5:
            gray = tint.mean(axis=1, keepdims=True)
            tint = np.repeat(0.35 + 0.65 * gray, 3, axis=1).astype(np.float32)
            material = paint.coating(rng)
        else:
            gains = rng.uniform(0.5, 1.3, 3)
            tint = np.clip(tint[:, rng.permutation(3)] * gains, 0.0, 1.0).astype(np.float32)
    varied = Mesh(
        vertices=mesh.vertices * scale, faces=mesh.faces, slot=mesh.slot, part=mesh.part, tint=tint
    )
    return Item(mesh=varied.grounded(), classes=classes, materials=(material,))


def load_mesh(path: Path) -> Mesh:
    """Read a mesh file.

    .npz files hold vertices (V, 3) in metres z up, faces (F, 3), face_colors (F, 3) uint8 and
    optionally face_part (F,). Other files are read with trimesh as they are.

    Raises:
        FileFormatError: if the file is missing, unreadable or has no faces.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as data:
                mesh = from_arrays(data["vertices"], data["faces"])
                tint = (data["face_colors"] / 255.0).astype(np.float32)
                part = data["face_part"] if "face_part" in data.files else mesh.part
        else:
            mesh, tint, part = _read_trimesh(path)
    except (OSError, KeyError, ValueError) as error:
        raise FileFormatError(
            f"{path} is not a readable mesh ({error}); use .npz with vertices, faces, "
            "face_colors, or .ply, .obj, .glb"
        ) from error
    if len(mesh.faces) == 0:
        raise FileFormatError(f"{path} has no faces; a mesh is needed, not a point cloud")
    return Mesh(
        vertices=mesh.vertices, faces=mesh.faces, slot=mesh.slot, tint=tint,
        part=np.asarray(part, dtype=np.int32),
    )  # fmt: skip


def _read_trimesh(path: Path) -> tuple[Mesh, Any, Any]:
    import trimesh

    loaded: Any = trimesh.load(path, force="mesh", process=False)
    mesh = from_arrays(loaded.vertices, loaded.faces)
    visual = loaded.visual
    colors = (visual.to_color() if hasattr(visual, "to_color") else visual).face_colors[:, :3]
    return mesh, (np.asarray(colors) / 255.0).astype(np.float32), mesh.part


def load_library(folder: Path, *, without: Sequence[Path] = ()) -> MeshLibrary:
    """Open a mesh library.

    Args:
        folder: Holds index.json (a list of entries with file, class, extent_m, tag, stuff and
            optional part_classes; files relative to the folder or its parent), or plain mesh
            files, whose class is read from the file or folder name.
        without: World files whose meshes are left out, so that those worlds stay unseen.

    Raises:
        FileFormatError: if the folder or its index cannot be read, or holds no meshes.
    """
    unseen = {Path(name).name for world in without for name in world_meshes(world)}
    index = folder / "index.json"
    entries = _indexed(index) if index.is_file() else _scanned(folder)
    kept = tuple(e for e in entries if e.path.name not in unseen)
    if not kept:
        raise FileFormatError(
            f"{folder} holds no meshes; expected index.json or {', '.join(sorted(_SUFFIXES))} files"
        )
    return MeshLibrary(kept)


def world_meshes(world: Path) -> set[str]:
    """Mesh file names that a world file places."""
    try:
        placed = json.loads(world.read_text())["instances"]
        return {str(instance["mesh"]) for instance in placed}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{world} is not a world file ({error}); expected JSON with a list 'instances'"
        ) from error


def _indexed(index: Path) -> list[MeshEntry]:
    try:
        rows = json.loads(index.read_text())
        return [_entry(index.parent, row) for row in rows]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{index} is not a mesh index ({error}); expected a JSON list of entries with file, "
            "class, extent_m, tag and stuff"
        ) from error


def _entry(folder: Path, row: dict[str, Any]) -> MeshEntry:
    path = folder / row["file"]
    if not path.exists():
        path = folder.parent / row["file"]
    parts = row.get("part_classes", {})
    x, y, z = (float(v) for v in row["extent_m"])
    return MeshEntry(
        path=path,
        class_name=our_class(row["class"]),
        part_classes=tuple((int(k), our_class(v)) for k, v in parts.items()),
        extent=(x, y, z),
        place=str(row["tag"]),
        stuff=bool(row["stuff"]),
    )


def _scanned(folder: Path) -> list[MeshEntry]:
    entries = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES):
        x, y, z = (float(v) for v in load_mesh(path).extent)
        name = our_class(path.stem)
        name = our_class(path.parent.name) if name == "other" else name
        size = max(x, y, z)
        place = "tabletop" if size < 0.5 else "indoor" if size < 3.0 else "outdoor"
        entries.append(
            MeshEntry(path=path, class_name=name, part_classes=(), extent=(x, y, z), place=place)
        )
    return entries
