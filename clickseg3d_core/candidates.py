"""What the decoder says of an object, cut at several levels: the answers a judge chooses from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from clickseg3d_core.extent import LOST, ExtentTable
from clickseg3d_core.types import Clicks


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """The decoder's answer to K clicks on V voxels.

    Attributes:
        rows: (K,) int64 clicked voxels.
        masks: (O + B, V) float mask logits of the objects in order of id, then of the background
            clicks.
        classes: (K, N_c) float32 log probability of each click's class, or None if the network has
            no class head.
        opinions: P masks (O + B, V) of which `masks` is the mean, if it is one.
    """

    rows: NDArray[np.int64]
    masks: torch.Tensor
    classes: NDArray[np.float32] | None
    opinions: tuple[torch.Tensor, ...] = ()

    @cached_property
    def beaten(self) -> torch.Tensor:
        """(O + B, V) bool: where another mask has a higher logit."""
        return self.masks < self.masks.amax(dim=0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Candidates:
    """T answers of different size to each of O objects.

    Attributes:
        terms: (O, T, EXTENT_TERMS) float32, see `ExtentTable.describe`.
        inside: (O, T, C) float32, mean over the voxels of each of what `ExtentTable.features` has.
        clicked: (O, C) float32, the mean over the clicked voxels.
        classes: (O, N_c) float32 probability of the object's class by its clicks (geometric mean);
            (O, 0) if the network has no class head.
    """

    terms: NDArray[np.float32]
    inside: NDArray[np.float32]
    clicked: NDArray[np.float32]
    classes: NDArray[np.float32]

    @classmethod
    def of(cls, extents: ExtentTable, decoded: Decoded, clicks: Clicks) -> Candidates:
        """Of every clicked object.

        Args:
            extents: Of the cloud.
            decoded: The answer to the clicks.
            clicks: K clicks, at least one of them on an object.
        """
        rows = decoded.rows
        logits, *opinions = (
            masks.masked_fill(decoded.beaten, LOST).float().cpu().numpy()
            for masks in (decoded.masks, *decoded.opinions)
        )
        terms, inside, clicked, classes = [], [], [], []
        for number, object_id in enumerate(clicks.objects):
            own = clicks.object_ids == object_id
            logits[number, rows[~own]] = LOST
            described = extents.describe(
                logits[number], rows[own], int((~own).sum()), [masks[number] for masks in opinions]
            )
            terms.append(described[0])
            inside.append(described[1])
            clicked.append(described[2])
            logs = np.zeros((1, 0), np.float32) if decoded.classes is None else decoded.classes[own]
            classes.append(np.exp(logs.mean(axis=0)))
        return cls(
            terms=np.stack(terms),
            inside=np.stack(inside),
            clicked=np.stack(clicked),
            classes=np.stack(classes),
        )

    @classmethod
    def joined(cls, parts: list[Candidates]) -> Candidates:
        """Those of several answers, one after the other."""
        return cls(
            terms=np.concatenate([p.terms for p in parts]),
            inside=np.concatenate([p.inside for p in parts]),
            clicked=np.concatenate([p.clicked for p in parts]),
            classes=np.concatenate([p.classes for p in parts]),
        )

    def tensors(self, device: torch.device) -> tuple[torch.Tensor, ...]:
        """What `ExtentJudge` takes: terms, inside, clicked, classes."""
        return tuple(
            torch.from_numpy(values).to(device)
            for values in (self.terms, self.inside, self.clicked, self.classes)
        )
