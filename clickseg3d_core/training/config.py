"""What a training run is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from clickseg3d_core.data.augment import AugmentConfig
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.training.auxiliary import AuxiliaryConfig
from clickseg3d_core.training.episodes import ClickConfig
from clickseg3d_core.training.losses import LossConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeConfig:
    """How the judge learns.

    Attributes:
        scenes: Scenes at most, drawn at random; 0 = no judge.
        objects: Objects of a scene that are clicked, at most.
        clicks: Clicks on each, at most: the second and later ones in the current error.
        go_on: Probability of each further click.
        beside: Probability that a first click is not the innermost point but any of the object.
        large: Largest objects of a scene, of which each is clicked once more, at any of its points.
        together: Times that several objects of a scene, two to all of them, are clicked at once, so
            that each is in the way of the others.
        without_color: Probability that a scene is shown without colors.
        bend: Largest amplitude of bent surfaces, in voxels, see `data.distortion.bent`.
        epochs: Rounds through the examples.
        seed: Of all of it.
    """

    scenes: int = 800
    objects: int = 14
    clicks: int = 3
    go_on: float = 0.5
    beside: float = 0.35
    large: int = 6
    together: int = 2
    without_color: float = 0.3
    bend: float = 0.6
    epochs: int = 12
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """One training run.

    Attributes:
        model: Model config file, relative to the training config file.
        scenes: Folder of training scenes, as `clickseg3d simulate` writes them.
        validation: Folder of validation scenes, or None.
        output: Run folder.
        start_from: Checkpoint folder to start from, or None.
        start_backbone_from: Checkpoint folder whose backbone alone is taken, or None.
        start_from_pointcept: Pointcept or PointTransformerV3 .pth for the backbone, or None.
        steps: Optimizer steps.
        minutes: Time limit of one command, from its start, as for a machine that is lent; the
            learning rate then follows the clock or the steps, whichever ends first. A resumed run
            has a cycle by the clock of its own. None = no limit.
        batch_size: Scenes per step and process.
        max_voxels: About how many voxels of a scene at most; larger ones are cropped around a
            random point.
        voxel_size: Metres; None chooses it for each scene, as at inference.
        voxel_range: Factor on the voxel size, drawn per sample.
        learning_rate: Peak of the one-cycle schedule.
        backbone_rate: Factor on the learning rate for the backbone; below 1 for one that is
            trained already. 0 trains the rest alone, which costs less; the normalizations of a
            backbone that stays should stay too, see `freeze_norm`.
        warmup: Fraction of the steps spent rising to the peak.
        optimizer: "adamw", or "muon" for hidden layers and AdamW for the rest, see `training.muon`:
            a step costs a little more and learns more.
        weight_decay: Of matrices and kernels, times the learning rate.
        clip_norm: Gradient norm at most.
        freeze_norm: Step from which batch normalization uses its running statistics in training as
            it does at inference. With one crop a step, a network that is trained on each crop's
            own statistics is another at inference: a fixed norm from some step on closes the gap.
        recompute: Save memory: transformer blocks of the backbone are computed twice.
        ema: Decay of the moving average of weights, which is what checkpoints hold.
        precision: "auto" takes bfloat16 where the hardware has it, else float32.
        accelerator: "auto", "cpu" or "cuda".
        devices: Processes on this machine; under torchrun as many as it starts. More than it has
            GPUs share them, which is faster where a step waits for the CPU.
        workers: Loader processes; 0 loads in the training process.
        threads: Torch threads on the CPU.
        seed: Seed of everything random.
        checkpoint_minutes: Minutes between checkpoints.
        validation_scenes: Scenes read from `validation` at most.
        validate_every: Steps between validations; 0 for none but the last.
        judge: How the judge of extents is fitted at the end, on the training scenes.
    """

    model: Path
    scenes: Path
    output: Path
    validation: Path | None = None
    start_from: Path | None = None
    start_backbone_from: Path | None = None
    start_from_pointcept: Path | None = None
    steps: int = 10_000
    minutes: float | None = None
    batch_size: int = 1
    max_voxels: int = 12_000
    voxel_size: float | None = None
    voxel_range: tuple[float, float] = (0.8, 1.8)
    learning_rate: float = 1e-3
    backbone_rate: float = 1.0
    warmup: float = 0.05
    optimizer: Literal["adamw", "muon"] = "adamw"
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    freeze_norm: int = 1_000_000_000
    recompute: bool = False
    ema: float = 0.998
    precision: str = "auto"
    accelerator: str = "auto"
    devices: int = 1
    workers: int = 1
    threads: int = 1
    seed: int = 0
    checkpoint_minutes: float = 5.0
    validation_scenes: int = 16
    validate_every: int = 1000
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    clicks: ClickConfig = field(default_factory=ClickConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    auxiliary: AuxiliaryConfig = field(default_factory=AuxiliaryConfig)
    judge: JudgeConfig = field(default_factory=lambda: JudgeConfig(scenes=0))

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "max_voxels", "devices", "threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0.0 < self.voxel_range[0] <= self.voxel_range[1]:
            raise ConfigError(f"voxel_range must be low, high with 0 < low, got {self.voxel_range}")
        if self.voxel_size is not None and not self.voxel_size > 0.0:
            raise ConfigError(f"voxel_size must be above 0 m or null, got {self.voxel_size}")
        if self.minutes is not None and not self.minutes > 0.0:
            raise ConfigError(f"minutes must be above 0 or null, got {self.minutes}")
        if not self.backbone_rate >= 0.0:
            raise ConfigError(f"backbone_rate must not be below 0, got {self.backbone_rate}")
        starts = (self.start_from, self.start_backbone_from, self.start_from_pointcept)
        if sum(start is not None for start in starts) > 1:
            raise ConfigError(
                "start_from, start_backbone_from and start_from_pointcept exclude each other; give "
                "one of them"
            )
        if self.accelerator not in ("auto", "cpu", "cuda"):
            raise ConfigError(f"accelerator must be auto, cpu or cuda, got {self.accelerator!r}")
        if not 0.0 <= self.ema < 1.0:
            raise ConfigError(f"ema must be in [0, 1), got {self.ema}")
