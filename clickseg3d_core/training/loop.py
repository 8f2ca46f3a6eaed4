"""The training command: read a config, launch, train, checkpoint."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from clickseg3d_core.config import apply_overrides, from_dict, load_yaml
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.network import ModelConfig
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.run import Progress, Run


def read_config(path: Path, overrides: Sequence[str] = ()) -> tuple[TrainConfig, ModelConfig]:
    """Read a training config and the model config that it names.

    Raises:
        ConfigError: if a key, a type or a value does not fit.
    """
    values = apply_overrides(load_yaml(path), overrides)
    model_values = values.pop("model_settings", {})
    config = from_dict(TrainConfig, values)
    model_path = config.model if config.model.is_absolute() else path.parent / config.model
    changes = [f"{key}={json.dumps(value)}" for key, value in _flat(model_values)]
    return config, from_dict(ModelConfig, apply_overrides(load_yaml(model_path), changes))


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        rows += _flat(value, f"{name}.") if isinstance(value, dict) else [(name, value)]
    return rows


def train(
    config_path: Path,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Train, or go on training.

    Args:
        config_path: YAML of a TrainConfig; its `model` is relative to the file, other paths to the
            working directory. `model_settings` changes single values of the model.
        overrides: `a.b=value` changes of the YAML.
        output: Run folder instead of the config's.
        resume: Go on from the run folder's last state; without, the folder must hold no run.
        progress: Told about every step.

    Returns:
        The checkpoint folder.

    Raises:
        ConfigError: if the config does not fit, or the run folder holds a run already.
        CheckpointError: if there is nothing to resume, or it is damaged or of another config.
    """
    began = time.monotonic()
    config, model_config = read_config(config_path, overrides)
    if output is not None:
        config = replace(config, output=output)
    torch.set_num_threads(config.threads)
    fabric = _launch(config)
    run = Run(fabric, config, model_config, began)
    if resume:
        run.restore()
    else:
        run.begin()
    run.loop(progress)
    return run.finish()


def _launch(config: TrainConfig) -> Fabric:
    on_cuda = config.accelerator != "cpu" and torch.cuda.is_available()
    if config.accelerator == "cuda" and not on_cuda:
        raise ConfigError("accelerator is cuda, but torch sees no CUDA device; use auto or cpu")
    precision: Any = config.precision
    if precision == "auto":
        precision = "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "32-true"
    processes, machines = _processes(config)
    gpus = torch.cuda.device_count() if on_cuda else 0
    sharing = 0 < gpus < processes
    try:
        fabric = Fabric(
            accelerator="cuda" if on_cuda else "cpu",
            devices=1 if sharing else processes,
            num_nodes=machines,
            precision=precision,
            strategy=strategy_for(processes, machines, gpus),
        )
    except ValueError as error:
        raise ConfigError(f"precision or devices do not fit: {error}") from error
    fabric.launch()
    return fabric


def strategy_for(processes: int, machines: int, gpus: int) -> DDPStrategy | str:
    """How processes work together.

    Args:
        processes: Of each machine. More of them than GPUs share these: much of a step is clicks and
            paths on the CPU, and one process leaves a GPU idle most of the time.
        machines: Of the run.
        gpus: Of each machine, 0 on the CPU.
    """
    if processes * machines == 1:
        return "auto"
    if not 0 < gpus < processes:
        return DDPStrategy(find_unused_parameters=True)
    return DDPStrategy(
        parallel_devices=[torch.device("cuda", number % gpus) for number in range(processes)],
        process_group_backend="gloo",  # NCCL takes no two processes on one GPU
        find_unused_parameters=True,
    )


def _processes(config: TrainConfig) -> tuple[int, int]:
    """Processes per machine, and machines; torchrun tells both."""
    world = int(os.environ.get("WORLD_SIZE", config.devices))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    return local, max(world // local, 1)
