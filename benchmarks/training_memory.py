"""What a training step keeps for its backward pass, per voxel, with and without `recompute`.

Counted in bfloat16 on the CPU, so that a run can be planned before there is a GPU. On top come
weights, gradients and moments (16 bytes a parameter), and what one operation needs while it runs.

    python benchmarks/training_memory.py config/train/scannet40.yaml --scenes shards/train
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from clickseg3d_core.commands.script import run_script
from clickseg3d_core.model.families import build_net
from clickseg3d_core.training.loop import read_config
from clickseg3d_core.training.samples import Sample, SampleStream
from clickseg3d_core.training.step import Batch, TrainingStep


def kept_bytes(step: TrainingStep, samples: list[Sample]) -> tuple[int, float]:
    """Bytes of all tensors kept for the backward pass, weights aside, and clicks of the step."""
    weights = {p.untyped_storage().data_ptr() for p in step.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    with (
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        _, figures = step(Batch(samples), torch.Generator().manual_seed(0))
    return sum(storage.nbytes() for storage in kept.values()), figures["clicks"]


def main(
    config: Annotated[Path, typer.Argument(help="Training config.")],
    scenes: Annotated[Path, typer.Option(help="Folder of scenes, of any data set.")],
    voxels: Annotated[int, typer.Option(min=100, help="Crop; figures are per voxel.")] = 4000,
) -> None:
    """Count for the first scene that fills the crop."""
    settings = [f"scenes={scenes}", f"max_voxels={voxels}", "batch_size=1", "voxel_size=null"]
    training, model = read_config(config, settings)
    stream = SampleStream(training, model.inputs, model.target_voxels)
    batches = (stream[step] for step in range(100))
    samples = next(batch for batch in batches if len(batch[0].coords) >= 0.9 * voxels)
    step = TrainingStep(build_net(model), training).train()
    console = Console(highlight=False)
    for recompute in (False, True):
        step.net.encoder.recompute(recompute)
        total, clicks = kept_bytes(step, samples)
        count = len(samples[0].coords)
        console.print(
            f"recompute {str(recompute).lower():5}  {total / count / 1e3:6.1f} kB a voxel  "
            f"({count:,} voxels, {clicks:.0f} clicks)"
        )


if __name__ == "__main__":
    run_script(main)
