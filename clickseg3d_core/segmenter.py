"""The inference API: encode a cloud once, segment once per click."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from clickseg3d_core.answer import ClassEvidence, build_segmentation
from clickseg3d_core.candidates import Candidates, Decoded
from clickseg3d_core.checkpoint import load_checkpoint, shipped_weights
from clickseg3d_core.coarser import Spread, mean_answer
from clickseg3d_core.edges import describe_edges, edge_graph
from clickseg3d_core.errors import CheckpointError, ClickError
from clickseg3d_core.extent import ExtentTable
from clickseg3d_core.kept import KeptByVoxel
from clickseg3d_core.model.carving import carved, without_background
from clickseg3d_core.model.features import input_features
from clickseg3d_core.model.grid import VoxelBatch
from clickseg3d_core.model.heads import edge_costs
from clickseg3d_core.model.memory import ClickQueries
from clickseg3d_core.model.network import ClickNet, merge_clicks
from clickseg3d_core.settling import settled
from clickseg3d_core.surface import Surface, describe_surface, path_costs
from clickseg3d_core.types import BACKGROUND_ID, Clicks, PointCloud, Segmentation
from clickseg3d_core.upright import found_rotation, rotation_upright, turned
from clickseg3d_core.voxels import VoxelGrid, automatic_voxel_size, floor_height, voxelize

MAX_CLICK_DISTANCE = 20.0
"""Farthest a click may be from the nearest voxel, in voxels."""

_SMALL_WORK = 200_000
"""Clicks times voxels up to which one thread answers faster than several."""

_FARTHEST = 1e150
"""Voxels; the square of a longer distance is no number any more."""

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Encoding:
    """A cloud as the network sees it. Made by `ClickSegmenter.encode`, read by `segment`.

    Attributes:
        cloud: The cloud that was encoded.
        upright: (3, 3) float64 rotation from the cloud's frame to the voxels', where z is up.
        grid: Its voxels.
        surface: Their normals and step graph.
        memory: Network features, on the segmenter's device.
        tree: Search tree over the voxel centers, voxel units.
        graphs: (V, V) sparse step costs of each kind of path, see `ClickQueries`.
        classes: (V, N_c) float32 log probability of each voxel's class, or None.
        extents: What candidate extents are described from, and masks settle by, or None.
        coarser: The same cloud in coarser voxels, and how those lie to these, or None.
        parts: What `closeup` has encoded of the cloud besides.
    """

    cloud: PointCloud
    upright: NDArray[np.float64]
    grid: VoxelGrid
    surface: Surface
    memory: Any
    tree: cKDTree
    graphs: tuple[csr_matrix, ...]
    classes: NDArray[np.float32] | None
    extents: ExtentTable | None = None
    coarser: tuple[Encoding, Spread] | None = None
    parts: dict[tuple[float, ...], Any] = field(default_factory=dict)
    _paths: KeptByVoxel = field(default_factory=KeptByVoxel)

    @property
    def voxel_size(self) -> float:
        """Metres per voxel side."""
        return self.grid.voxel_size

    @property
    def voxel_count(self) -> int:
        """Occupied voxels V."""
        return len(self.grid)

    def paths_from(self, rows: torch.Tensor) -> torch.Tensor:
        """Path costs from voxels, each computed once and remembered.

        Args:
            rows: (K,) int64 voxel rows.

        Returns:
            (K, P, V) float32, voxel units.
        """
        if not self.graphs or len(rows) == 0:
            return torch.zeros(len(rows), len(self.graphs), self.voxel_count)

        def search(new: torch.Tensor) -> torch.Tensor:
            sources = rows[new].numpy()
            kinds = [path_costs(graph, sources) for graph in self.graphs]
            return torch.from_numpy(np.stack(kinds, axis=1))

        return self._paths.get(rows, search)


class ClickSegmenter:
    """Click an object, get it.

    Args:
        net: A network in eval mode.
        record: The checkpoint's config.json, for `info`.
        device: Where the network runs.
    """

    def __init__(self, net: ClickNet, record: Mapping[str, Any], device: torch.device) -> None:
        self.net = net.to(device).eval()
        self.config = net.config
        self.device = device
        self._record = record
        self._wide = self if net.coarse is None else ClickSegmenter(net.coarse, {}, device)

    @classmethod
    def load(cls, path: str | Path | None = None, device: Device = "auto") -> ClickSegmenter:
        """Load a checkpoint.

        Args:
            path: Checkpoint folder; None for the weights that come with the package.
            device: "auto" takes CUDA when there, else the CPU.

        Raises:
            CheckpointError: if the checkpoint cannot be read, or CUDA is asked for and missing.
        """
        if device not in ("auto", "cpu", "cuda"):
            raise CheckpointError(f"device must be auto, cpu or cuda, got {device!r}")
        if device == "cuda" and not torch.cuda.is_available():
            raise CheckpointError("device is cuda, but torch sees no CUDA device; use auto or cpu")
        net, record = load_checkpoint(shipped_weights() if path is None else Path(path))
        name = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        return cls(net, record, torch.device(name))

    @torch.no_grad()
    def encode(
        self,
        cloud: PointCloud,
        voxel_size: float | None = None,
        up: Sequence[float] | NDArray[np.float64] | None = None,
    ) -> Encoding:
        """Encode a cloud; once per cloud, the expensive half.

        Args:
            cloud: N points, metres.
            voxel_size: Metres; None chooses from extent and density.
            up: (3,) direction that is up in the cloud's frame, of any length; None finds it:
                (0, 0, 1) unless floors, tables and walls say otherwise, as in a camera's frame.

        Raises:
            CloudError: if the voxel size is not a positive number, or `up` is no direction.
        """
        rotation = None if up is None else rotation_upright(up)
        grid = self._voxels(cloud, voxel_size, rotation)
        if rotation is None:
            rotation = found_rotation(grid)
            if (rotation != np.eye(3)).any():
                grid = self._voxels(cloud, voxel_size, rotation)
        with np.errstate(invalid="ignore"):
            floor = floor_height(cloud.xyz @ rotation[2])
        encoding = self._in_voxels(cloud, grid, rotation, floor, described=self._describes())
        factor = self.config.decoder.coarser if self._is_own() else 0.0
        if not factor:
            return encoding
        coarse_grid = self._voxels(cloud, factor * grid.voxel_size, rotation)
        coarse = self._wide._in_voxels(cloud, coarse_grid, rotation, floor, described=False)
        spread = Spread.between(grid, coarse_grid, coarse.tree, self.device)
        return replace(encoding, coarser=(coarse, spread))

    def _in_voxels(
        self,
        cloud: PointCloud,
        grid: VoxelGrid,
        rotation: NDArray[np.float64],
        floor: float,
        *,
        described: bool,
    ) -> Encoding:
        """The cloud in the voxels of one grid."""
        surface = describe_surface(grid)
        features = input_features(self.config.inputs, grid, surface, floor)
        batch = VoxelBatch(
            coords=torch.from_numpy(grid.coords).to(self.device),
            batch=torch.zeros(len(grid), dtype=torch.int64, device=self.device),
        )
        memory = self.net.encode(
            batch,
            torch.from_numpy(features).to(self.device),
            torch.from_numpy(grid.centers).to(self.device),
        )[0]
        graphs, extents = self._surroundings(grid, surface, memory, described)
        return Encoding(
            cloud=cloud,
            upright=rotation,
            grid=grid,
            surface=surface,
            memory=memory,
            tree=cKDTree(grid.centers),
            graphs=graphs,
            classes=self._dense_classes(memory),
            extents=extents,
        )

    def _voxels(
        self, cloud: PointCloud, size: float | None, rotation: NDArray[np.float64] | None
    ) -> VoxelGrid:
        """The voxels of a cloud that is turned first."""
        if rotation is not None:
            cloud = turned(cloud, rotation)
        if size is None:
            finite = cloud.xyz[np.isfinite(cloud.xyz).all(axis=1)]
            size = automatic_voxel_size(finite, target_voxels=self.config.target_voxels)
        return voxelize(cloud, size)

    def _surroundings(
        self, grid: VoxelGrid, surface: Surface, memory: Any, described: bool
    ) -> tuple[tuple[csr_matrix, ...], ExtentTable | None]:
        """Graphs of each kind of path, and what extents are judged by."""
        heads, kinds = self.net.scene_heads, self.config.path_kinds
        if heads is None or (kinds < 2 and not described):
            return (surface.graph,)[:kinds], None
        edges = describe_edges(grid, surface)
        logits = heads.edges(
            memory.features,
            torch.from_numpy(edges.pairs).to(self.device),
            torch.from_numpy(edges.terms).to(self.device),
        )
        extents = None
        if described:
            border = (-logits.float()).sigmoid().cpu().numpy()
            extents = ExtentTable.of(grid, surface, edges, border, self._seen(memory))
        if kinds < 2:
            return (surface.graph,)[:kinds], extents
        costs = edge_costs(logits, torch.from_numpy(edges.length).to(self.device))
        learned = edge_graph(edges.pairs, costs.cpu().numpy(), len(grid))
        return (surface.graph, learned), extents

    def _seen(self, memory: Any) -> NDArray[np.float32]:
        """(V, C) features of the voxels as the judge sees them; no columns without a judge."""
        if self.net.judge is None:
            return np.zeros((len(memory.features), 0), np.float32)
        seen: NDArray[np.float32] = self.net.judge.see(memory.features).float().cpu().numpy()
        return seen

    def _dense_classes(self, memory: Any) -> NDArray[np.float32] | None:
        decoder, heads = self.config.decoder, self.net.scene_heads
        if heads is None or not (decoder.dense_classes and decoder.class_head):
            return None
        logits = heads.classes(memory.features)
        classes: NDArray[np.float32] = logits.float().log_softmax(dim=1).cpu().numpy()
        return classes

    @torch.no_grad()
    def segment(self, encoding: Encoding, clicks: Clicks) -> Segmentation:
        """Segment every clicked object in one pass of the decoder.

        Args:
            encoding: From `encode`.
            clicks: K clicks in metres, frame of the cloud. Without any, all points are background.

        Raises:
            ClickError: if a click is farther than MAX_CLICK_DISTANCE voxels from every point.
        """
        if not (clicks.object_ids != BACKGROUND_ID).any():
            rows = self._clicked_voxels(encoding, clicks)
            return build_segmentation(
                encoding.cloud, encoding.upright, encoding.grid, clicks, rows, None, None
            )
        decoded = self.decoded(encoding, clicks)
        classes = None
        if decoded.classes is not None:
            classes = ClassEvidence(
                names=self.config.class_names,
                clicks=decoded.classes,
                voxels=encoding.classes,
            )
        return build_segmentation(
            encoding.cloud,
            encoding.upright,
            encoding.grid,
            clicks,
            decoded.rows,
            self._margins(encoding, decoded, clicks),
            classes,
        )

    @torch.no_grad()
    def decoded(self, encoding: Encoding, clicks: Clicks) -> Decoded:
        """What lies under a segmentation, for those who cut the masks themselves.

        Args:
            encoding: From `encode`.
            clicks: K clicks, at least one of them on an object.

        Raises:
            ClickError: as `segment`.
        """
        rows = self._clicked_voxels(encoding, clicks)
        object_ids = clicks.objects
        queries = self._queries(encoding, clicks, rows, object_ids)
        with _threads_for(len(rows) * encoding.voxel_count, self.device):
            masks, logits = self._decoded_queries(encoding, queries, len(object_ids))
        classes = None if logits is None else logits.float().log_softmax(dim=1).cpu().numpy()
        answer = Decoded(rows=rows, masks=masks, classes=classes)
        if encoding.coarser is None:
            return answer
        coarse, spread = encoding.coarser
        share = self.config.decoder.coarser_share
        return mean_answer(answer, self._wide.decoded(coarse, clicks), spread, share)

    def judged(
        self, encoding: Encoding, decoded: Decoded, clicks: Clicks
    ) -> NDArray[np.float32] | None:
        """(O,) logits at which the objects end, or None for the same cut everywhere."""
        if self.net.judge is None or encoding.extents is None:
            return None
        candidates = Candidates.of(encoding.extents, decoded, clicks)
        return self.net.judge.cuts(candidates, self._doubts(clicks))

    def _doubts(self, clicks: Clicks) -> NDArray[np.float32]:
        """(O,) float32, see `ExtentJudge.cuts`; none of an object that has been corrected."""
        ids, counts = np.unique(clicks.object_ids, return_counts=True)
        untouched = (counts[ids != BACKGROUND_ID] == 1) & (BACKGROUND_ID not in ids)
        return np.where(untouched, self.config.decoder.doubt, 0.0).astype(np.float32)

    def _decoded_queries(
        self, encoding: Encoding, queries: ClickQueries, objects: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(O + B, V) mask logits, and (K, N_c) class logits if the network has a class head."""
        output = self.net.decode(encoding.memory, queries, last_only=True)[-1]
        columns = int(queries.object_index.max()) + 1
        masks = merge_clicks(output.mask_logits, queries.object_index, columns)
        if columns > objects and self._carves():
            own = without_background(queries)
            free = self.net.decode(encoding.memory, own, last_only=True)[-1].mask_logits
            free = merge_clicks(free, own.object_index, objects)
            argmax = self.config.decoder.background == "argmax"
            masks = carved(masks, free, queries, claims=argmax)
        return masks, output.class_logits

    def info(self) -> dict[str, Any]:
        """Facts about the loaded model: name, parameters, classes, device, training summary."""
        return {
            "name": self.config.name,
            "parameters": sum(p.numel() for p in self.net.parameters()),
            "inputs": list(self.config.inputs),
            "classes": list(self.config.class_names),
            "device": str(self.device),
            "training": dict(self._record.get("training", {})),
            "sha256": self._record.get("sha256"),
        }

    def _is_own(self) -> bool:
        return self.config.family == "clickseg3d"

    def _carves(self) -> bool:
        return self._is_own() and self.config.decoder.background_clicks == "carve"

    def _describes(self) -> bool:
        return self.net.judge is not None or self.config.decoder.settle

    def _clicked_voxels(self, encoding: Encoding, clicks: Clicks) -> NDArray[np.int64]:
        if len(clicks) == 0:
            return np.zeros(0, dtype=np.int64)
        with np.errstate(over="ignore"):
            places = clicks.positions @ encoding.upright.T
            local = (places - encoding.grid.origin) / encoding.voxel_size
        local = np.clip(local, -_FARTHEST, _FARTHEST)
        distance, rows = (np.asarray(a) for a in encoding.tree.query(local))
        if distance.max() > MAX_CLICK_DISTANCE:
            worst = int(np.argmax(distance))
            raise ClickError(
                f"click {worst} at {', '.join(f'{v:.9g}' for v in clicks.positions[worst])} is "
                f"{distance[worst] * encoding.voxel_size:.3g} m from the nearest point, at most "
                f"{MAX_CLICK_DISTANCE * encoding.voxel_size:.3g} m is allowed; click on the cloud "
                "and give metres in its frame"
            )
        own = encoding.grid.containing(local)
        return np.where(own >= 0, own, rows).astype(np.int64)

    def _queries(
        self,
        encoding: Encoding,
        clicks: Clicks,
        rows: NDArray[np.int64],
        object_ids: NDArray[np.int64],
    ) -> ClickQueries:
        index = np.searchsorted(object_ids, clicks.object_ids)
        is_background = clicks.object_ids == BACKGROUND_ID
        index[is_background] = len(object_ids) + np.arange(int(is_background.sum()))
        voxels = torch.from_numpy(rows)
        return ClickQueries(
            rows=voxels.to(self.device),
            positions=torch.from_numpy(encoding.grid.centers[rows]).to(self.device),
            object_index=torch.from_numpy(index).to(self.device),
            is_background=torch.from_numpy(is_background).to(self.device),
            episode=torch.zeros(len(rows), dtype=torch.int64, device=self.device),
            paths=encoding.paths_from(voxels).to(self.device),
        )

    def _margins(self, encoding: Encoding, decoded: Decoded, clicks: Clicks) -> NDArray[np.float32]:
        """(O + B + 1, V) logits counted from the cut, with a row for nobody.

        With cuts of their own, objects still compete by their logits: only the winner of a voxel
        may have it.
        """
        decoder, masks = self.config.decoder, decoded.masks
        cuts = self.judged(encoding, decoded, clicks)
        ends = masks.new_full((len(masks), 1), decoder.background_logit)
        if cuts is not None:
            ends[: len(cuts), 0] = torch.from_numpy(cuts).to(masks)
        margins = masks - ends
        if cuts is not None or decoder.settle:
            margins = margins.masked_fill(decoded.beaten, float("-inf"))
        found = margins.float().cpu().numpy()
        if decoder.settle and encoding.extents is not None:
            own = [decoded.rows[clicks.object_ids == i] for i in clicks.objects]
            found[: len(own)] = settled(found[: len(own)], own, encoding.extents.shares)
        nobody = 0.0 if decoder.background == "threshold" else float("-inf")
        return np.concatenate([found, np.full((1, found.shape[1]), nobody, np.float32)])


@contextmanager
def _threads_for(work: int, device: torch.device) -> Iterator[None]:
    """One thread for a small answer on a CPU: its many short steps lose by being shared."""
    before = torch.get_num_threads()
    if device.type != "cpu" or work > _SMALL_WORK or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
