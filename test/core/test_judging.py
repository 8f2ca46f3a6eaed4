"""Fitting the judge of extents, alone and at the end of a training."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from test_training import boxes_scene

from clickseg3d_core import ClickSegmenter, ConfigError
from clickseg3d_core.data.scene import Scene, save_scene
from clickseg3d_core.extent import CUTS, EXTENT_TERMS
from clickseg3d_core.model.judge import ExtentJudge
from clickseg3d_core.training.config import JudgeConfig
from clickseg3d_core.training.judging import Examples, collect, fit, scene_examples, with_judge
from clickseg3d_core.training.loop import train


@pytest.fixture
def judged(tiny_segmenter):
    return ClickSegmenter(with_judge(tiny_segmenter.net), {}, torch.device("cpu"))


def test_a_judge_learns_which_candidate_is_best(rng):
    terms = rng.normal(size=(400, len(CUTS), EXTENT_TERMS)).astype(np.float32)
    ious = (1.0 / (1.0 + np.exp(-3.0 * terms[:, :, 6]))).astype(np.float32)
    judge = ExtentJudge()
    missed = fit(judge, Examples(terms=terms, ious=ious), JudgeConfig(epochs=30))
    by_chance = float((ious.max(axis=1, keepdims=True) - ious).mean())
    assert missed < 0.25 * by_chance
    again = ExtentJudge()
    assert fit(again, Examples(terms=terms, ious=ious), JudgeConfig(epochs=30)) != missed  # weights
    again.load_state_dict(judge.state_dict())
    assert torch.equal(again(torch.from_numpy(terms)), judge(torch.from_numpy(terms)))


def test_examples_hold_the_iou_of_each_candidate(judged, two_boxes):
    scene = boxes_scene(two_boxes)
    found = scene_examples(judged, scene, JudgeConfig(clicks=1, beside=0.0, without_color=0.0))
    assert found.terms.shape == (3, len(CUTS), EXTENT_TERMS)
    assert (found.ious > 0.0).all()
    assert (found.ious <= 1.0).all()
    assert found.ious.max(axis=1).min() > 0.5  # two boxes and a floor are easy for some cut
    size = np.exp(found.terms[:, :, 25])
    assert (np.diff(size, axis=1) <= 1e-3).all()  # nested


def test_examples_do_not_depend_on_the_number_of_workers(judged, two_boxes, tmp_path):
    for name in "ab":
        save_scene(boxes_scene(two_boxes), tmp_path / f"{name}.npz")
    paths = sorted(tmp_path.glob("*.npz"))
    config = JudgeConfig(objects=2, clicks=2)
    one, two = (collect(judged, paths, config, workers=n) for n in (1, 2))
    assert np.array_equal(one.terms, two.terms)
    assert np.array_equal(one.ious, two.ious)


def test_training_ends_with_a_judge_and_can_start_from_one(two_boxes, tmp_path, config_folder):
    (tmp_path / "scenes").mkdir()
    save_scene(boxes_scene(two_boxes), tmp_path / "scenes" / "a.npz")
    path = tmp_path / "train.yaml"
    values = {
        "model": str(config_folder / "model" / "tiny.yaml"),
        "scenes": str(tmp_path / "scenes"),
        "output": str(tmp_path / "run"),
        "steps": 2,
        "max_voxels": 1500,
        "accelerator": "cpu",
        "workers": 0,
        "validate_every": 0,
        "judge": {"scenes": 1, "epochs": 1},
    }
    path.write_text(yaml.safe_dump(values))
    checkpoint = train(path)
    segmenter = ClickSegmenter.load(checkpoint, device="cpu")
    assert segmenter.net.judge is not None
    assert float(segmenter.net.judge.scale.max()) > 0.0
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["judge"]["examples"] >= 3
    train(path, resume=True)  # nothing left to train; the judge is fitted again
    train(path, [f"start_from={checkpoint}"], output=tmp_path / "next")


def test_a_folder_without_objects_is_refused(judged, tmp_path):
    empty = Scene(
        xyz=np.random.default_rng(0).uniform(size=(200, 3)).astype(np.float32),
        rgb=None,
        instance=np.zeros(200, np.int32),
        instance_class=np.array([-1], np.int16),
    )
    save_scene(empty, Path(tmp_path) / "a.npz")
    with pytest.raises(ConfigError, match="30 points"):
        collect(judged, [Path(tmp_path) / "a.npz"], JudgeConfig())
