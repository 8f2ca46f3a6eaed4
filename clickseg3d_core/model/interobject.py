"""InterObject3D on our backbone: clicks are input channels, one object takes one whole pass.

Kontogianni et al., "Interactive Object Segmentation in 3D Point Clouds", ICRA 2023. Two channels
join the input features: 1 within a cube around each click on the object, and 1 within a cube around
each click that is not on it, where background clicks and clicks on other objects count alike. Every
further click runs the whole network again, and several objects are segmented one after the other;
the highest logit wins where their masks overlap. What is trained differs from the original in the
backbone only; its training clicks are `ClickConfig.positives` and `negatives`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clickseg3d_core.model.adaptor import StageOutput
from clickseg3d_core.model.encoder import PointEncoder
from clickseg3d_core.model.grid import VoxelBatch
from clickseg3d_core.model.levels import Level
from clickseg3d_core.model.memory import ClickQueries
from clickseg3d_core.model.network import ClickNet, ModelConfig

_HALF_EDGE = 1.0
"""Half an edge of a click's cube, in voxels: the original's 5 cm at its voxels of 5 cm."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CloudInput:
    """One cloud as it goes into the backbone, once per object and click.

    Attributes:
        grid: V voxels.
        features: (V, C_in) float, input features without those of the clicks.
        centers: (V, 3) float, voxel units.
        levels: What the backbone derives from the positions alone.
        generator: Draws the order shuffle in training.
    """

    grid: VoxelBatch
    features: Tensor
    centers: Tensor
    levels: tuple[Level, ...]
    generator: torch.Generator | None


class InterObjectNet(ClickNet):
    """Backbone and a linear layer to one mask logit per voxel."""

    masks_background = False

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.encoder = PointEncoder(config.encoder)
        self.mask = nn.Linear(self.encoder.out_channels[-1], 1)

    def encode(
        self,
        grid: VoxelBatch,
        features: Tensor,
        centers: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> list[CloudInput]:
        """Prepare a batch of B clouds; the backbone waits for clicks.

        Args:
            grid: V voxels of all clouds.
            features: (V, C_in) float input features.
            centers: (V, 3) float voxel centers, voxel units.
            generator: Draws the order shuffle in training.
        """
        inputs = []
        for cloud in range(int(grid.batch[-1]) + 1):
            rows = grid.batch == cloud
            own = VoxelBatch(coords=grid.coords[rows], batch=grid.batch[rows] - cloud)
            inputs.append(
                CloudInput(
                    grid=own,
                    features=features[rows],
                    centers=centers[rows],
                    levels=self.encoder.build_levels(own),
                    generator=generator,
                )
            )
        return inputs

    def decode(
        self, memory: CloudInput, clicks: ClickQueries, *, last_only: bool = False
    ) -> list[StageOutput]:
        """One pass of the network per object; background clicks have no mask of their own."""
        shape = (len(clicks.rows), len(memory.grid))
        masks = memory.centers.new_full(shape, float("-inf"))
        for number in torch.unique(clicks.object_index[~clicks.is_background]).tolist():
            mine = clicks.object_index == number
            others = (clicks.episode == clicks.episode[mine][0]) & ~mine
            masks[mine] = self._mask(memory, clicks.positions[mine], clicks.positions[others])
        return [StageOutput(mask_logits=masks, class_logits=None)]

    def _mask(self, memory: CloudInput, positives: Tensor, negatives: Tensor) -> Tensor:
        """(V,) logits of the object that has the positive clicks."""
        channels = [near(memory.centers, positives), near(memory.centers, negatives)]
        features = torch.cat([memory.features, torch.stack(channels, dim=1)], dim=1)
        finest = self.encoder(
            memory.grid, features, generator=memory.generator, levels=memory.levels
        )[-1]
        logits: Tensor = self.mask(finest.features).float()[:, 0]
        return logits


def near(centers: Tensor, clicks: Tensor) -> Tensor:
    """(V, 3) voxel centers and (K, 3) clicks -> (V,) float, 1 in the cube around any click."""
    apart = (centers[:, None] - clicks[None]).abs().amax(dim=2)  # (V, K)
    return (apart <= _HALF_EDGE).any(dim=1).to(centers.dtype)
