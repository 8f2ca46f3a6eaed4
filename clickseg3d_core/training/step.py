"""One training step on one scene: encode, let users correct, decode, compare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from clickseg3d_core.clicks import depths_inside
from clickseg3d_core.edges import edge_graph
from clickseg3d_core.model.grid import VoxelBatch
from clickseg3d_core.model.heads import edge_costs
from clickseg3d_core.model.memory import ClickQueries
from clickseg3d_core.model.network import ClickNet, merge_clicks
from clickseg3d_core.surface import path_costs
from clickseg3d_core.training.auxiliary import DensePredictions, dense_loss
from clickseg3d_core.training.baseline_losses import family_loss
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.depths import DepthsOnDevice
from clickseg3d_core.training.episodes import Episodes, corrected, planned_corrections
from clickseg3d_core.training.losses import Targets, best_of, mask_iou
from clickseg3d_core.training.samples import Sample


class PathBook:
    """Path costs from clicked voxels, each found once.

    Args:
        sample: Holds the surface graph and the paths of the first clicks over it.
        learned: (V, V) costs over learned edges, or None.
        kinds: P, of which the network reads none, the surface's, or both.
    """

    def __init__(self, sample: Sample, learned: csr_matrix | None, kinds: int) -> None:
        self._voxels = len(sample.coords)
        graphs = [sample.graph] if learned is None else [sample.graph, learned]
        self._graphs = graphs[:kinds]
        self._known = [dict(sample.paths), {}][:kinds]

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(K,) voxel rows -> (K, P, V) float32, voxel units."""
        if not self._graphs:
            return np.zeros((len(rows), 0, self._voxels), np.float32)
        for graph, known in zip(self._graphs, self._known, strict=True):
            new = np.array([r for r in dict.fromkeys(rows.tolist()) if r not in known], np.int64)
            known.update(zip(new.tolist(), path_costs(graph, new), strict=True))
        return np.stack([[known[int(row)] for known in self._known] for row in rows])


class Batch:
    """Scenes of one step. Not a list: Fabric takes collections apart to convert their tensors."""

    def __init__(self, samples: list[Sample]) -> None:
        self.samples = samples


class TrainingStep(nn.Module):
    """The network with its loss as one module, so that a launcher can wrap it whole.

    Args:
        net: The network.
        config: The run.
    """

    def __init__(self, net: ClickNet, config: TrainConfig) -> None:
        super().__init__()
        self.net = net
        self.config = config

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Mean loss over samples, and figures for the log.

        Args:
            batch: Scenes with first clicks.
            generator: Draws order shuffles and dropped paths.
        """
        samples = batch.samples
        memories = self._encode(samples, generator)
        losses, logs = [], []
        for memory, sample in zip(memories, samples, strict=True):
            loss, log = self._sample_loss(memory, sample)
            losses.append(loss)
            logs.append(log)
        keys = sorted({key for log in logs for key in log})
        means = {k: float(np.mean([log[k] for log in logs if k in log])) for k in keys}
        return torch.stack(losses).mean(), means

    def _place(self) -> torch.device:
        return next(self.net.parameters()).device

    def _encode(self, samples: list[Sample], generator: torch.Generator) -> list[Any]:
        device = self._place()
        batch = np.repeat(np.arange(len(samples)), [len(s.coords) for s in samples])
        return self.net.encode(
            VoxelBatch(
                coords=torch.from_numpy(np.concatenate([s.coords for s in samples])).to(device),
                batch=torch.from_numpy(batch).to(device),
            ),
            torch.from_numpy(np.concatenate([s.features for s in samples])).to(device),
            torch.from_numpy(np.concatenate([s.centers for s in samples])).to(device),
            generator=generator,
        )

    def _sample_loss(self, memory: Any, sample: Sample) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng(sample.seed)
        settings = self.config.clicks
        dense = self._dense(memory, sample)
        paths = PathBook(sample, self._learned_graph(dense, sample), self.net.config.path_kinds)
        episodes = sample.episodes
        planned = planned_corrections(episodes, settings, rng)
        on_gpu = self._place().type == "cuda"
        depths = DepthsOnDevice(sample.centers, self._place()) if on_gpu else depths_inside
        for turn in range(int(planned.max(initial=0))):
            if len(episodes.rows) >= settings.max_clicks:
                break
            numbers = np.flatnonzero(planned > turn)
            labels = self._answers(memory, sample, episodes.of(numbers), paths)
            episodes = corrected(
                episodes,
                numbers,
                sample.centers,
                sample.instance,
                labels,
                sample.edges.pairs,
                settings,
                rng,
                depths,
            )
        queries = self._queries(sample, episodes, paths)
        targets = self._targets(sample, episodes)
        outputs = self.net.decode(memory, queries)
        centers = torch.from_numpy(sample.centers).to(targets.masks.device)
        loss, log = family_loss(
            self.net.config.family, outputs, queries, targets, centers, self.config.loss
        )
        if dense is not None:
            extra, terms = self._dense_loss(dense, centers, sample)
            loss, log = loss + extra, log | terms
        return loss, log | self._figures(outputs[-1].mask_logits, queries, targets, episodes)

    def _dense_loss(
        self, dense: DensePredictions, centers: Tensor, sample: Sample
    ) -> tuple[Tensor, dict[str, float]]:
        return dense_loss(
            dense,
            centers,
            torch.from_numpy(sample.edges.pairs).to(centers.device),
            torch.from_numpy(sample.instance).to(centers.device),
            torch.from_numpy(sample.instance_class).to(centers.device),
            self.config.auxiliary,
        )

    def _dense(self, memory: Any, sample: Sample) -> DensePredictions | None:
        heads, device = self.net.scene_heads, self._place()
        if heads is None:
            return None
        return DensePredictions(
            classes=heads.classes(memory.features),
            votes=memory.votes,
            edges=heads.edges(
                memory.features,
                torch.from_numpy(sample.edges.pairs).to(device),
                torch.from_numpy(sample.edges.terms).to(device),
            ),
        )

    def _learned_graph(self, dense: DensePredictions | None, sample: Sample) -> csr_matrix | None:
        if dense is None or self.net.config.path_kinds < 2:
            return None
        length = torch.from_numpy(sample.edges.length).to(dense.edges.device)
        costs = edge_costs(dense.edges.detach(), length).cpu().numpy()
        return edge_graph(sample.edges.pairs, costs, len(sample.coords))

    @torch.no_grad()
    def _answers(
        self,
        memory: Any,
        sample: Sample,
        episodes: Episodes,
        paths: PathBook,
    ) -> NDArray[np.int64]:
        """(A, V) current answer of each of A episodes: instance ids, 0 = background."""
        queries = self._queries(sample, episodes, paths)
        with _as_shown_to_users(self.net):
            output = self.net.decode(memory, queries, last_only=True)[-1]
        columns = int(queries.object_index.max()) + 1
        merged = merge_clicks(output.mask_logits.float(), queries.object_index, columns)
        owner, target = _columns(episodes)
        answers = [
            best_of(
                merged,
                torch.from_numpy(np.flatnonzero(owner == e)).to(merged.device),
                torch.from_numpy(target[owner == e]).to(merged.device),
            )
            for e in np.unique(episodes.episode)
        ]
        return torch.stack(answers).cpu().numpy()

    def _queries(self, sample: Sample, episodes: Episodes, paths: PathBook) -> ClickQueries:
        device = self._place()
        return ClickQueries(
            rows=torch.from_numpy(episodes.rows).to(device),
            positions=torch.from_numpy(sample.centers[episodes.rows]).to(device),
            object_index=torch.from_numpy(episodes.object_index()).to(device),
            is_background=torch.from_numpy(episodes.is_background).to(device),
            episode=torch.from_numpy(episodes.episode).to(device),
            paths=torch.from_numpy(paths.of(episodes.rows)).to(device),
        )

    def _targets(self, sample: Sample, episodes: Episodes) -> Targets:
        device = self._place()
        wanted = np.zeros(int(episodes.object_index().max()) + 1, dtype=np.int64)
        wanted[episodes.object_index()] = episodes.target
        learned = self.net.masks_background | ~episodes.is_background
        counted = np.zeros(len(wanted), dtype=bool)
        counted[episodes.object_index()[learned]] = True
        classes = np.where(episodes.target > 0, sample.instance_class[episodes.target], -1)
        instance = torch.from_numpy(sample.instance).to(device)
        columns = torch.from_numpy(wanted).to(device)
        return Targets(
            masks=(instance[None, :] == columns[:, None]).float(),
            known=instance > 0,
            classes=torch.from_numpy(classes).to(device),
            counted=(columns > 0) & torch.from_numpy(counted).to(device),
        )

    @torch.no_grad()
    def _figures(
        self, mask_logits: Tensor, queries: ClickQueries, targets: Targets, episodes: Episodes
    ) -> dict[str, float]:
        merged = merge_clicks(mask_logits.float(), queries.object_index, len(targets.masks))
        return {"iou": float(mask_iou(merged, targets).mean()), "clicks": float(len(episodes.rows))}


@contextmanager
def _as_shown_to_users(net: nn.Module) -> Iterator[None]:
    """The net in eval mode; afterwards each part is in its mode again."""
    training = [module for module in net.modules() if module.training]
    net.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _columns(episodes: Episodes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Episode and instance id of each column; 0 for background clicks."""
    index = episodes.object_index()
    owner = np.zeros(int(index.max()) + 1, dtype=np.int64)
    target = owner.copy()
    owner[index] = episodes.episode
    target[index] = np.where(episodes.is_background, 0, episodes.target)
    return owner, target
