"""State of a training run: steps, log, checkpoints, validation, resume."""

from __future__ import annotations

import copy
import json
import logging
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
import yaml
from lightning_fabric import Fabric
from torch.utils.data import DataLoader, Subset

from clickseg3d_core.atomic import replacing
from clickseg3d_core.checkpoint import load_weights, save_checkpoint
from clickseg3d_core.config import from_dict, to_dict
from clickseg3d_core.data.scene import load_scene
from clickseg3d_core.errors import CheckpointError, ConfigError
from clickseg3d_core.evaluation.calibration import best_background_logit
from clickseg3d_core.evaluation.single_object import evaluate_scene
from clickseg3d_core.model.network import ModelConfig
from clickseg3d_core.segmenter import ClickSegmenter
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.judging import judged_network
from clickseg3d_core.training.optimization import (
    freeze_norms,
    learning_rate,
    optimizer_of,
    update_average,
)
from clickseg3d_core.training.samples import Sample, SampleStream, scene_files
from clickseg3d_core.training.start import initial_net
from clickseg3d_core.training.step import Batch, TrainingStep

logger = logging.getLogger(__name__)

STATE_FILE = "training_state.pt"
METRICS_FILE = "metrics.jsonl"
LOG_EVERY = 20

Progress = Callable[[int, int, dict[str, float]], None]
"""Called after each step with the step, the steps in all, and running means."""


class Run:
    """State of one training run.

    Args:
        fabric: Launched Fabric.
        config: The run.
        model_config: The network.
        began: `time.monotonic()` from which the time limit counts; None = now.
    """

    def __init__(
        self,
        fabric: Fabric,
        config: TrainConfig,
        model_config: ModelConfig,
        began: float | None = None,
    ) -> None:
        self._began = time.monotonic() if began is None else began
        self.fabric, self.config, self.model_config = fabric, config, model_config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.net = initial_net(config, model_config)
            self.net.encoder.recompute(config.recompute)
            self.training_step = TrainingStep(self.net, config)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.optimizer = optimizer_of(self.training_step, config)
        self.module, self.fabric_optimizer = fabric.setup(self.training_step, self.optimizer)
        self.average.to(fabric.device)
        self.step = 0
        self.seconds = 0.0
        self.best: dict[str, float] = {}

    def begin(self) -> None:
        """Make the run folder and write the resolved config into it."""
        folder = self.config.output
        if self.fabric.is_global_zero:
            if (folder / STATE_FILE).exists():
                raise ConfigError(
                    f"{folder} holds a training run already; resume it with --resume or choose "
                    "another --output"
                )
            folder.mkdir(parents=True, exist_ok=True)
            resolved = {"training": to_dict(self.config), "model": to_dict(self.model_config)}
            (folder / "config.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False))
            (folder / METRICS_FILE).write_text("")

    def loop(self, progress: Progress | None) -> None:
        """Train from the current step to the last, or until the time is over."""
        first = saved = time.monotonic()
        recent: list[dict[str, float]] = []
        for samples in self._loader():
            started = time.monotonic()
            over = self._time_over(first)
            if over >= 1.0:
                break
            share = max((self.step + 1) / self.config.steps, over)
            recent.append(self._train_step(samples, learning_rate(share, self.config)))
            self.seconds += time.monotonic() - started
            self.step += 1
            if self.step % LOG_EVERY == 0 or self.step == self.config.steps:
                self._log({"step": self.step, **_means(recent), "seconds": round(self.seconds, 1)})
                recent = recent[-LOG_EVERY:]
            if progress is not None:
                progress(self.step, self.config.steps, _means(recent[-LOG_EVERY:]))
            if time.monotonic() - saved > 60 * self.config.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
            if self.config.validate_every and self.step % self.config.validate_every == 0:
                self.validate()
        if self.step % LOG_EVERY and self.step < self.config.steps and recent:
            self._log({"step": self.step, **_means(recent), "seconds": round(self.seconds, 1)})

    def _time_over(self, first: float) -> float:
        """Part of the time that is over, the same in all processes; 0 without a limit.

        Args:
            first: `time.monotonic()` at which stepping began.
        """
        if self.config.minutes is None:
            return 0.0
        whole = self._began + 60.0 * self.config.minutes - first
        share = (time.monotonic() - first) / whole if whole > 0.0 else 1.0
        return float(self.fabric.broadcast(share))

    def finish(self) -> Path:
        """Last checkpoint and validation."""
        self.save()
        if not (self.config.validate_every and self.step % self.config.validate_every == 0):
            self.validate()
        self.calibrate()
        self.save()
        self.judge()
        return self.config.output / "checkpoint"

    def judge(self) -> None:
        """Fit the judge of extents, which is part of the checkpoint but not of the run's state."""
        if self.config.judge.scenes == 0 or not self.fabric.is_global_zero:
            return
        judged, facts = judged_network(
            self.average, self.config.scenes, self.config.judge, self.fabric.device
        )
        self._log({"step": self.step, "judge": facts})
        folder = self.config.output / "checkpoint"
        save_checkpoint(judged, folder, training={**self.summary(), "judge": facts}, half=True)

    def _loader(self) -> DataLoader[list[Sample]]:
        stream = SampleStream(
            self.config,
            self.model_config.inputs,
            self.model_config.target_voxels,
            self.fabric.global_rank,
            self.fabric.world_size,
            self.model_config.class_names,
            self.model_config.path_kinds > 0,
        )
        rest = Subset(stream, range(self.step, self.config.steps))
        return DataLoader(
            rest,
            batch_size=None,
            num_workers=self.config.workers,
            collate_fn=_unchanged,
            prefetch_factor=4 if self.config.workers else None,
            persistent_workers=self.config.workers > 0,
            worker_init_fn=_one_thread,
        )

    def _train_step(self, samples: list[Sample], rate: float) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate", 1.0)
        generator = torch.Generator().manual_seed(
            self.config.seed * 1_000_003
            + self.step * self.fabric.world_size
            + self.fabric.global_rank
        )
        self.module.train()
        if self.step >= self.config.freeze_norm:
            freeze_norms(self.net)
        loss, figures = self.module(Batch(samples), generator)
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self.module,
            self.fabric_optimizer,
            max_norm=self.config.clip_norm,
            error_if_nonfinite=False,
        )
        if norm is not None and bool(torch.isfinite(norm)):
            self.fabric_optimizer.step()
        self.fabric_optimizer.zero_grad(set_to_none=True)
        update_average(self.average, self.net, self.step, self.config.ema)
        return {"loss": float(loss.detach()), "lr": rate, **figures}

    def validate(self) -> None:
        """Single-object protocol on validation scenes with the averaged weights."""
        if self.config.validation is None or not self.fabric.is_global_zero:
            return
        segmenter = ClickSegmenter(copy.deepcopy(self.average), {}, self.fabric.device)
        ious = []
        for path in scene_files(self.config.validation)[: self.config.validation_scenes]:
            for record in evaluate_scene(segmenter, load_scene(path), clicks=3, max_objects=8):
                ious.append(record.ious)
        if ious:
            mean = np.mean(ious, axis=0)
            self.best = {f"iou@{k + 1}": round(float(v), 4) for k, v in enumerate(mean)}
            self._log({"step": self.step, "validation": self.best, "objects": len(ious)})

    def calibrate(self) -> None:
        """Move the cut to the background to where it is best on the validation scenes."""
        if self.config.validation is None or not self.fabric.is_global_zero:
            return
        paths = scene_files(self.config.validation)[: self.config.validation_scenes]
        segmenter = ClickSegmenter(copy.deepcopy(self.average), {}, self.fabric.device)
        best, scores = best_background_logit(segmenter, [load_scene(path) for path in paths])
        decoder = replace(self.model_config.decoder, background_logit=best)
        self.average.config = replace(self.model_config, decoder=decoder)
        self._log({"step": self.step, "background_logit": best, "scores": scores})

    def _log(self, row: dict[str, Any]) -> None:
        if self.fabric.is_global_zero:
            with (self.config.output / METRICS_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            logger.info("%s", row)

    def save(self) -> None:
        """Write the averaged weights as a checkpoint, and the state to resume from."""
        if not self.fabric.is_global_zero:
            return
        save_checkpoint(
            self.average, self.config.output / "checkpoint", training=self.summary(), half=True
        )
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "model": json.dumps(to_dict(self.model_config)),
        }
        with replacing(self.config.output / STATE_FILE) as temporary:
            torch.save(state, temporary)

    def summary(self) -> dict[str, Any]:
        """Facts for the checkpoint's config.json."""
        return {
            "step": self.step,
            "steps": self.config.steps,
            "hours": round(self.seconds / 3600, 3),
            "hardware": _hardware(self.fabric.device),
            "seed": self.config.seed,
            "validation": self.best,
        }

    def restore(self) -> None:
        """Load the run folder's last state.

        Raises:
            CheckpointError: if it is missing, damaged or of another model config.
        """
        path = self.config.output / STATE_FILE
        try:
            state = torch.load(path, map_location=self.fabric.device, weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(f"{path} cannot be resumed from: {reason}") from error
        if from_dict(ModelConfig, json.loads(state["model"])) != self.model_config:
            raise CheckpointError(
                f"{path} was written by another model config; resume with the config it began with"
            )
        load_weights(self.net, state["net"], str(path))
        load_weights(self.average, state["average"], str(path))
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        _drop_later_rows(self.config.output / METRICS_FILE, self.step)


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    keys = sorted({key for row in rows for key in row})
    return {k: round(float(np.mean([r[k] for r in rows if k in r])), 6) for k in keys}


def _drop_later_rows(path: Path, step: int) -> None:
    """Forget log rows of steps that the resumed state does not know, and a row cut short."""
    if path.exists():
        rows = [line for line in path.read_text().splitlines() if _step_of(line) <= step]
        with replacing(path) as temporary:
            temporary.write_text("".join(row + "\n" for row in rows))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} CPU cores, {platform.machine()}"


def _unchanged(samples: list[Sample]) -> list[Sample]:
    return samples


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
