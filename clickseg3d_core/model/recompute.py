"""Blocks that keep no activations: the backward pass computes them again (Chen et al., 2016)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from clickseg3d_core.model.blocks import TransformerBlock
from clickseg3d_core.model.levels import Level
from clickseg3d_core.model.patches import PatchPlan


def recomputed(
    block: TransformerBlock,
    features: Tensor,
    level: Level,
    plan: PatchPlan,
    *,
    skip: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """What the block returns, for less memory and a second forward pass.

    Chance is drawn from the generator once; the second pass draws the same again from a copy.

    Args:
        block: A block without running statistics, which would be updated twice.
        features: See `TransformerBlock.forward`, as the rest.
        level: Structure of the voxels.
        plan: Curve to attend along.
        skip: Features whose surroundings are encoded.
        generator: Source of chance for stochastic depth.
    """
    before = None if generator is None else generator.get_state()
    passes = 0

    def run(features: Tensor, skip: Tensor | None) -> Tensor:
        nonlocal passes
        passes += 1
        own = generator
        if passes > 1 and generator is not None and before is not None:
            own = torch.Generator(generator.device)
            own.set_state(before)
        output: Tensor = block(features, level, plan, skip=skip, generator=own)
        return output

    output: Tensor = checkpoint(run, features, skip, use_reentrant=False)
    return output
