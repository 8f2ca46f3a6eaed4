"""What runs on a GPU: the same answers as on the CPU, the same ones each time, and training."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from clickseg3d_core import Clicks, ClickSegmenter, PointCloud
from clickseg3d_core.checkpoint import load_checkpoint
from clickseg3d_core.clicks import innermost_point
from clickseg3d_core.data.scene import load_scene
from clickseg3d_core.model import sparse_conv
from clickseg3d_core.training.loop import train

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def scan():
    scene = load_scene(ROOT / "clickseg3d_core" / "demo" / "scan.npz")
    ids = np.unique(scene.instance[scene.instance > 0])
    rows = [innermost_point(scene.xyz, scene.instance == i) for i in ids]
    return PointCloud(scene.xyz, scene.rgb), Clicks(scene.xyz[rows], ids)


@pytest.fixture(scope="module")
def on_cpu(scan):
    return labels_of(ClickSegmenter.load(device="cpu"), scan)


def labels_of(segmenter, scan):
    cloud, clicks = scan
    return segmenter.segment(segmenter.encode(cloud), clicks).labels


def agreement(one, other):
    """IoU of each object of one labelling with the same of another, the lowest."""
    return min(
        ((one == i) & (other == i)).sum() / ((one == i) | (other == i)).sum()
        for i in np.unique(one[one > 0])
    )


@pytest.mark.parametrize("spconv", [False, True])
def test_shipped_weights_answer_as_on_the_cpu_and_the_same_each_time(
    scan, on_cpu, spconv, monkeypatch
):
    if spconv and find_spec("spconv") is None:
        pytest.skip("spconv is not installed")
    if not spconv:
        monkeypatch.setattr(sparse_conv, "spconv_usable", lambda features: False)
    segmenter = ClickSegmenter.load(device="cuda")
    first = labels_of(segmenter, scan)
    assert agreement(on_cpu, first) > 0.98
    if not spconv:
        assert (labels_of(segmenter, scan) == first).all()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_on_a_gpu_moves_weights_and_keeps_them_finite(run_config, tmp_path, precision):
    out = tmp_path / "out"
    train(run_config, ["steps=3", "accelerator=cuda", f"precision={precision}"], out)
    net, _ = load_checkpoint(out / "checkpoint")
    assert all(bool(torch.isfinite(p).all()) for p in net.parameters())


def test_two_processes_share_one_gpu(run_config, tmp_path):
    out = tmp_path / "out"
    script = tmp_path / "clickseg3d.py"  # the other process is started by the same command
    script.write_text("from clickseg3d_core.cli import main\n\nmain()\n")
    command = [sys.executable, str(script), "train", str(run_config), "--output", str(out)]
    command += ["--set", "steps=3", "--set", "devices=2", "--set", "accelerator=cuda"]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    subprocess.run(command, check=True, env=env, timeout=300, capture_output=True)
    assert (out / "checkpoint" / "model.safetensors").exists()
