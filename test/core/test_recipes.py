"""The training recipes of the data sets, on files in the published formats; several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import raw_datasets
import torch
import yaml

from clickseg3d_core import ClickSegmenter
from clickseg3d_core.data.scene import Scene, load_scene, save_scene
from clickseg3d_core.datasets.convert import Conversion, convert
from clickseg3d_core.datasets.rules import RULES
from clickseg3d_core.datasets.sources import open_dataset
from clickseg3d_core.datasets.splits import select
from clickseg3d_core.datasets.vocabularies import KITTI360, KITTI360_TARGETS, S3DIS13, SCANNET40
from clickseg3d_core.model.families import build_net
from clickseg3d_core.training.loop import read_config, train
from clickseg3d_core.training.optimization import parameter_groups
from clickseg3d_core.training.samples import SampleStream
from clickseg3d_core.training.start import initial_net
from clickseg3d_core.training.step import Batch, TrainingStep

RECIPES = {"scannet40": "scannet", "s3dis": "s3dis", "kitti360": "kitti360"}
SMALL = {
    "enc_depths": [1, 1, 1], "enc_channels": [8, 16, 16], "enc_heads": [1, 2, 2],
    "dec_depths": [1, 1], "dec_channels": [16, 16], "dec_heads": [2, 2], "patch_size": 32,
}  # fmt: skip


def small_settings(scenes: Path) -> list[str]:
    """A recipe with a tiny network, for a few seconds on a CPU."""
    decoder = {"channels": 16, "heads": 2, "stages": 2}
    return [
        *(f"model_settings.encoder.{key}={value}" for key, value in SMALL.items()),
        *(f"model_settings.decoder.{key}={value}" for key, value in decoder.items()),
        f"scenes={scenes}", "accelerator=cpu", "workers=0", "batch_size=1", "max_voxels=400",
        "steps=3",
    ]  # fmt: skip


def write_raw(dataset: str, root: Path) -> str:
    """A small raw data set; returns the split to train on."""
    if dataset == "scannet":
        for number in range(2):
            raw_datasets.write_scannet(root, f"scene000{number}_00", points=400)
        (root / "train.txt").write_text("scene0000_00\nscene0001_00\n")
        return str(root / "train.txt")
    if dataset == "s3dis":
        for area in (1, 5):
            raw_datasets.write_s3dis(root, area, points=600)
        return "train"
    raw_datasets.write_window(root, "0000", points=400)
    raw_datasets.write_window(root, "0003", points=400, middle=(900.0, 900.0))
    return "train"


def converted(dataset: str, folder: Path) -> Path:
    split = write_raw(dataset, folder / "raw")
    scenes = select(open_dataset(dataset, folder / "raw"), split)
    conversion = Conversion(scenes=scenes, layout="scenes", rules=RULES[dataset])
    convert(conversion, folder / "scenes")
    return folder / "scenes"


def rows_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_trains_on_its_data_set_and_resumes(recipe, config_folder, tmp_path):
    scenes = converted(RECIPES[recipe], tmp_path)
    path = config_folder / "train" / f"{recipe}.yaml"
    settings = small_settings(scenes)
    whole = train(path, settings, tmp_path / "whole")
    assert all(np.isfinite(row["loss"]) for row in rows_of(tmp_path / "whole"))
    assert {"bce", "dice", "ce", "semantic"} <= set(rows_of(tmp_path / "whole")[-1])

    def stop(step, steps, means):
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(path, [*settings, "checkpoint_minutes=0.0"], tmp_path / "parts", progress=stop)
    parts = train(path, settings, tmp_path / "parts", resume=True)
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()
    segmenter = ClickSegmenter.load(whole, device="cpu")
    scene = load_scene(next(scenes.glob("[!.]*.npz")))
    named = {scene.class_names[c] for c in scene.instance_class[1:]}
    assert named & set(segmenter.config.class_names)


@pytest.mark.parametrize(
    ("recipe", "names"),
    [("scannet40", SCANNET40), ("s3dis", S3DIS13), ("kitti360", KITTI360_TARGETS)],
)
def test_recipes_name_the_classes_of_their_data(recipe, names, config_folder):
    _, model = read_config(config_folder / "train" / f"{recipe}.yaml")
    assert set(names) <= set(model.class_names)
    if recipe != "kitti360":
        assert model.class_names == names
    assert set(model.class_names) <= {*names, *KITTI360}
    assert len(set(model.class_names)) == len(model.class_names)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_say_every_value(recipe, config_folder):
    """Complete to the last value: nothing is left to a default that may change."""
    values = yaml.safe_load((config_folder / "train" / f"{recipe}.yaml").read_text())
    config, _ = read_config(config_folder / "train" / f"{recipe}.yaml")
    optional = {"start_from", "start_backbone_from", "validation_scenes"}
    for name in set(config.__dataclass_fields__) - optional:
        assert name in values, name
    assert set(values["augment"]) == set(config.augment.__dataclass_fields__)
    assert set(values["loss"]) == set(config.loss.__dataclass_fields__)
    # one object at a time is clicked once; `border` belongs to the affinity that is off
    extra = {"correct", "edge", "positives", "negatives"}
    assert set(values["clicks"]) == set(config.clicks.__dataclass_fields__) - extra
    assert set(values["auxiliary"]) == set(config.auxiliary.__dataclass_fields__) - {"border"}


def test_voxel_size_may_be_fixed(config_folder, tmp_path):
    scenes = converted("s3dis", tmp_path)
    counts = []
    for size in (0.05, 0.1):
        settings = [*small_settings(scenes), f"voxel_size={size}", "max_voxels=9000",
                    "voxel_range=[1.0, 1.0]"]  # fmt: skip
        config, model = read_config(config_folder / "train" / "s3dis.yaml", settings)
        stream = SampleStream(config, model.inputs, 10, class_names=model.class_names)
        counts.append(len(stream[0][0].coords))
    assert counts[0] > 1.5 * counts[1]


def test_backbone_may_learn_slower(config_folder):
    config, model = read_config(config_folder / "train" / "tiny.yaml")
    step = TrainingStep(build_net(model), config)
    groups = parameter_groups(step, 0.05, 0.1)
    assert [(g["rate"], g["weight_decay"]) for g in groups] == [
        (1.0, 0.05), (1.0, 0.0), (0.1, 0.05), (0.1, 0.0),
    ]  # fmt: skip
    backbone = {id(p) for p in step.net.encoder.parameters()}
    for group in groups:
        assert all((id(p) in backbone) == (group["rate"] < 1) for p in group["params"])
    assert sum(len(g["params"]) for g in groups) == len(list(step.parameters()))
    assert len(parameter_groups(step, 0.05)) == 2


def test_backbone_rate_scales_the_learning_rate(run_folder, config_folder):
    train(config_folder / "train" / "tiny.yaml",
          [*tiny_settings(run_folder), "backbone_rate=0.1"], run_folder / "run")  # fmt: skip
    state = torch.load(run_folder / "run" / "training_state.pt", weights_only=True)
    rates = {group["rate"]: group["lr"] for group in state["optimizer"]["param_groups"]}
    assert rates[0.1] == pytest.approx(0.1 * rates[1.0])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_backbone_at_rate_zero_stays_as_it_is(run_folder, config_folder, optimizer):
    recipe = config_folder / "train" / "tiny.yaml"
    settings = [*tiny_settings(run_folder), "freeze_norm=0", f"optimizer={optimizer}"]
    settings.append("backbone_rate=0")
    train(recipe, settings, run_folder / "run")
    after = torch.load(run_folder / "run" / "training_state.pt", weights_only=True)["net"]
    config, model = read_config(recipe, settings)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        before = initial_net(config, model).state_dict()
    changed = {name.split(".")[0] for name, t in before.items() if not torch.equal(t, after[name])}
    assert changed == {"decoder"}


def boxes(number: int) -> Scene:
    """A floor and two boxes of random points; another number, other places."""
    rng = np.random.default_rng(number)
    parts = [rng.uniform((-1, -1, 0), (1, 1, 0), (1500, 3))]
    parts += [rng.uniform(-0.2, 0.2, (600, 3)) + (x, 0, 0.2) for x in rng.uniform(-0.6, 0.6, 2)]
    return Scene(
        xyz=np.concatenate(parts).astype(np.float32),
        rgb=rng.integers(0, 256, (2700, 3)).astype(np.uint8),
        instance=np.repeat([1, 2, 3], [1500, 600, 600]).astype(np.int32),
        instance_class=np.array([-1, 1, 19, 19], np.int16),
    )


def tiny_settings(folder: Path) -> list[str]:
    return [f"scenes={folder / 'scenes'}", "steps=3", "max_voxels=600", "accelerator=cpu"]


@pytest.fixture
def run_folder(tmp_path) -> Path:
    """Three scenes in scenes/."""
    (tmp_path / "scenes").mkdir()
    for number in range(3):
        save_scene(boxes(number), tmp_path / "scenes" / f"{number}.npz")
    return tmp_path


RANK_SCRIPT = """
import json, os, sys
from pathlib import Path
from clickseg3d_core.training.loop import train

config, out, settings = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
losses = []

def note(step, steps, means):
    losses.append(means["loss"])

def stop(step, steps, means):
    if step == 2:
        raise KeyboardInterrupt

train(config, settings, out / "whole", progress=note)
try:
    train(config, [*settings, "checkpoint_minutes=0.0"], out / "parts", progress=stop)
except KeyboardInterrupt:
    pass
train(config, settings, out / "parts", resume=True)
(out / f"rank{os.environ['RANK']}.json").write_text(json.dumps(losses))
"""


@pytest.mark.slow
def test_two_processes_share_the_scenes_and_resume(run_folder, config_folder):
    script = run_folder / "rank.py"
    script.write_text(RANK_SCRIPT)
    config = config_folder / "train" / "tiny.yaml"
    settings = [*tiny_settings(run_folder), "optimizer=muon"]  # AdamW for the rest
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
         str(script), str(config), str(run_folder), *settings],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    whole, parts = run_folder / "whole", run_folder / "parts"
    weights = "checkpoint/model.safetensors"
    assert (whole / weights).read_bytes() == (parts / weights).read_bytes()
    assert [row["step"] for row in rows_of(parts)] == [3]
    losses = [json.loads((run_folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    assert np.isfinite(losses).all()
    # each process begins with the loss that one process finds for its scenes
    values, model = read_config(config, settings)
    for rank in (0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(values.seed)
            step = TrainingStep(build_net(model), values).train()
        stream = SampleStream(values, model.inputs, model.target_voxels, rank, 2)
        generator = torch.Generator().manual_seed(values.seed * 1_000_003 + rank)
        with torch.no_grad():
            loss, _ = step(Batch(stream[0]), generator)
        assert losses[rank][0] == pytest.approx(float(loss), rel=1e-4)
    assert losses[0][0] != pytest.approx(losses[1][0], rel=1e-3)


def test_processes_take_different_scenes(run_folder, config_folder):
    config, model = read_config(config_folder / "train" / "tiny.yaml", tiny_settings(run_folder))
    streams = [SampleStream(config, model.inputs, model.target_voxels, r, 3) for r in range(3)]
    for turn in range(2):
        seen = [stream[turn][0].features.tobytes() for stream in streams]
        assert len(set(seen)) == 3
    alone = SampleStream(config, model.inputs, model.target_voxels)
    assert alone[2][0].features.tobytes() == streams[2][0][0].features.tobytes()
