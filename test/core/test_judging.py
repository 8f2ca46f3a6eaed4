"""Fitting the judge of extents, alone and at the end of a training."""

import inspect
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import boxes_scene

from clickseg3d_core import CheckpointError, Clicks, ClickSegmenter, ConfigError
from clickseg3d_core.candidates import Candidates, Decoded
from clickseg3d_core.checkpoint import save_checkpoint
from clickseg3d_core.clicks import innermost_point
from clickseg3d_core.commands.judge import judge
from clickseg3d_core.data.scene import Scene, save_scene
from clickseg3d_core.extent import CUTS, EXTENT_TERMS, SIZE_TERM
from clickseg3d_core.model.judge import JUDGED_TERMS, SHARPNESS, ExtentJudge
from clickseg3d_core.training import judging
from clickseg3d_core.training.config import JudgeConfig
from clickseg3d_core.training.judging import (
    Examples,
    collect,
    collecting,
    fit,
    judge_checkpoint,
    scene_examples,
    with_judge,
)
from clickseg3d_core.training.loop import train


@pytest.fixture
def judged(tiny_segmenter):
    return ClickSegmenter(collecting(tiny_segmenter.net), {}, torch.device("cpu"))


def examples_judged_by(quality, candidates):
    """Examples in which the best candidates are those of the highest quality (M, T)."""
    return Examples(candidates=candidates, ious=(1 / (1 + np.exp(-3 * quality))).astype(np.float32))


def random_candidates(rng, count, channels=8, classes=5):
    sizes = [(count, len(CUTS), EXTENT_TERMS), (count, len(CUTS), channels), (count, channels),
             (count, classes)]  # fmt: skip
    names = ["terms", "inside", "clicked", "classes"]
    values = [rng.normal(size=size).astype(np.float32) for size in sizes]
    return Candidates(**dict(zip(names, values, strict=True)))


def part_of(examples, rows):
    given = examples.candidates
    names = ["terms", "inside", "clicked", "classes"]
    part = Candidates(**{name: getattr(given, name)[rows] for name in names})
    return Examples(candidates=part, ious=examples.ious[rows])


def missed_by_chance(examples):
    return float((examples.ious.max(axis=1, keepdims=True) - examples.ious).mean())


def test_a_judge_learns_which_candidate_is_best(rng):
    given = random_candidates(rng, 400)
    examples = examples_judged_by(given.terms[:, :, 6], given)
    judge, again = ExtentJudge(8, 5), ExtentJudge(8, 5)
    missed = fit(judge, examples, JudgeConfig(epochs=30))
    assert missed < 0.3 * missed_by_chance(examples)
    assert fit(again, examples, JudgeConfig(epochs=30)) != missed  # other weights to begin with
    again.load_state_dict(judge.state_dict())
    tensors = given.tensors(torch.device("cpu"))
    assert torch.equal(again.learning(*tensors), judge.learning(*tensors))


def test_what_a_judge_misses_is_the_mean_over_all_examples(rng, monkeypatch):
    """However few are measured at once: all of many thousands do not fit into memory."""
    given = random_candidates(rng, 50)
    examples = examples_judged_by(given.terms[:, :, 6], given)
    start = ExtentJudge(8, 5).state_dict()
    missed = []
    for count in (1024, 7):
        monkeypatch.setattr(judging, "_MEASURED_AT_ONCE", count)
        judge = ExtentJudge(8, 5)
        judge.load_state_dict(start)
        missed.append(fit(judge, examples, JudgeConfig(epochs=1)))
    assert missed[0] == pytest.approx(missed[1], rel=1e-4)


@pytest.mark.parametrize("what", ["terms", "inside", "clicked", "classes", "next"])
def test_a_judge_reads_features_classes_and_the_next_candidates(rng, what):
    """Each of them alone tells which candidates are good, in examples not learned from, too."""
    given = random_candidates(rng, 1600, channels=4, classes=3)
    given.terms[:, :, 7:] = 0.0
    wide = np.linspace(-1.0, 1.0, len(CUTS))
    given.terms[:, :, 0] = wide
    quality = {
        "terms": given.terms[:, :, 6],
        "inside": given.inside[:, :, 2],
        "clicked": given.clicked[:, 2:3] * wide,
        "classes": given.classes[:, 2:3] * wide,
        "next": np.roll(given.inside[:, :, 2], -1, axis=1),
    }[what]
    examples = examples_judged_by(2.0 * quality, given)
    judge = ExtentJudge(4, 3)
    fit(judge, part_of(examples, slice(0, 1200)), JudgeConfig(epochs=20))
    others = part_of(examples, slice(1200, None))
    with torch.no_grad():
        chosen = (
            judge.learning(*others.candidates.tensors(torch.device("cpu"))).mean(1).argmax(dim=1)
        )
    missed = (others.ious.max(axis=1) - others.ious[np.arange(400), chosen.numpy()]).mean()
    assert missed < 0.4 * missed_by_chance(others)


def test_members_of_the_panel_share_nothing_and_count_alike(rng):
    given = random_candidates(rng, 6, channels=4, classes=3)
    tensors = given.tensors(torch.device("cpu"))
    judge = ExtentJudge(4, 3, members=3).eval()
    before = judge.learning(*tensors)
    assert before.shape == (6, 3, len(CUTS))
    assert not torch.allclose(before[:, 0], before[:, 1])
    with torch.no_grad():
        for name, parameter in judge.named_parameters():
            own = parameter[len(parameter) // 3 : 2 * len(parameter) // 3]  # of the second member
            own += 0.1 * torch.rand_like(own)
            after = judge.learning(*tensors)
            assert torch.equal(after[:, [0, 2]], before[:, [0, 2]]), name
            assert not torch.equal(after[:, 1], before[:, 1]), name
    seen = replace(
        given,
        inside=given.inside @ judge.see.weight.detach().numpy().T,
        clicked=given.clicked @ judge.see.weight.detach().numpy().T,
    )
    judge.see.bias.data.zero_()
    mean = judge.learning(*tensors).mean(dim=1)
    share = (SHARPNESS * mean).softmax(dim=1)
    assert np.allclose(judge.cuts(seen), (share @ torch.tensor(CUTS)).detach(), atol=1e-4)


def test_features_seen_before_or_after_the_mean_are_the_same(judged, two_boxes, rng):
    """Fitting sees means of features, answering takes means of what is seen."""
    seeing = ClickSegmenter(with_judge(judged.net), {}, torch.device("cpu"))
    judged.net.judge.mean.copy_(torch.from_numpy(rng.normal(size=JUDGED_TERMS).astype(np.float32)))
    seeing.net.judge.load_state_dict(judged.net.judge.state_dict(), strict=False)  # all but `see`
    clicks = Clicks(np.array([[-0.2, 0.0, 0.16], [0.3, 0.0, 0.1]]), np.array([1, 2]))
    found = []
    for segmenter in (judged, seeing):
        encoding = segmenter.encode(two_boxes[0], 0.04)
        decoded = segmenter.decoded(encoding, clicks)
        found.append(Candidates.of(encoding.extents, decoded, clicks))
    features, seen = found
    assert np.allclose(seen.classes, np.exp(decoded.classes))  # each object's by its own click
    assert features.inside.shape == (2, len(CUTS), judged.config.decoder.channels)
    assert seen.inside.shape[2] == seeing.net.judge.see.out_features
    cpu = torch.device("cpu")
    before, after = (
        seeing.net.judge(*seen.tensors(cpu)),
        seeing.net.judge.learning(*features.tensors(cpu)),
    )
    assert torch.allclose(before, after, atol=1e-4)


def test_examples_hold_the_iou_of_each_candidate(judged, two_boxes):
    scene = boxes_scene(two_boxes)
    config = JudgeConfig(clicks=1, beside=0.0, large=0, together=0, without_color=0.0)
    found = Examples.joined(scene_examples(judged, scene, config))
    assert found.candidates.terms.shape == (3, len(CUTS), EXTENT_TERMS)
    assert (found.ious > 0.0).all()
    assert (found.ious <= 1.0).all()
    assert found.ious.max(axis=1).min() > 0.5  # two boxes and a floor are easy for some cut
    size = np.exp(found.candidates.terms[:, :, SIZE_TERM])
    assert (np.diff(size, axis=1) <= 1e-3).all()  # nested


def test_the_largest_objects_are_clicked_once_more_anywhere(judged, two_boxes, monkeypatch):
    scene = boxes_scene(two_boxes)
    clicked = []

    def decoded(self, encoding, clicks):
        clicked.append(clicks.positions[0])
        return ClickSegmenter.decoded(judged, encoding, clicks)

    monkeypatch.setattr(judged, "decoded", decoded.__get__(judged))
    sizes = np.bincount(scene.instance)
    largest = int(sizes[1:].argmax()) + 1
    points = []
    for seed in range(4):
        clicked.clear()
        config = JudgeConfig(
            objects=2, clicks=1, beside=0.0, large=1, together=0, bend=0.0, seed=seed
        )
        assert len(scene_examples(judged, scene, config)) == 3
        place = np.linalg.norm(scene.xyz - clicked[-1], axis=1).argmin()
        assert scene.instance[place] == largest
        points.append(int(place))
    assert len(set(points)) == 4
    assert len(scene_examples(judged, scene, replace(config, large=0))) == 2


def test_several_objects_are_clicked_at_once(judged, two_boxes, monkeypatch):
    scene, seen = boxes_scene(two_boxes), []

    def decoded(self, encoding, clicks):
        seen.append(clicks)
        return ClickSegmenter.decoded(judged, encoding, clicks)

    monkeypatch.setattr(judged, "decoded", decoded.__get__(judged))
    config = JudgeConfig(objects=0, large=0, together=6, clicks=1, beside=0.0, bend=0.0)
    found = scene_examples(judged, scene, config)
    objects = [len(clicks.objects) for clicks in seen]
    assert [len(answer.ious) for answer in found] == objects == [len(c) for c in seen]
    assert set(objects) == {2, 3}
    xyz = scene.xyz.astype(np.float64)
    rows = [innermost_point(xyz, scene.instance == i) for i in range(1, 4)]
    for clicks in seen:
        for position in clicks.positions:
            assert np.linalg.norm(xyz[rows] - position, axis=1).min() < 0.02
    assert not scene_examples(judged, scene, replace(config, together=0))


def test_a_voxel_counts_for_the_object_that_has_the_higher_logit():
    """Or for the one that is clicked there; background clicks take their own voxel from all."""
    masks = torch.tensor([[3.0, 1.0, -1.0, 2.0, 2.0], [1.0, 2.0, 5.0, 4.0, 1.0], [0.0] * 5])
    decoded = Decoded(rows=np.array([0, 3, 4]), masks=masks, classes=None)
    clicks = Clicks(np.zeros((3, 3)), np.array([1, 2, 0]))
    none, sure = -np.inf, np.inf
    expected = [[sure, none, none, none, none], [none, 2.0, 5.0, sure, none]]
    assert np.array_equal(judging._trimmed(decoded, clicks), expected)


def test_answers_to_several_clicks_are_compared_with_their_own_object(judged, two_boxes):
    scene = boxes_scene(two_boxes)
    config = JudgeConfig(objects=0, large=0, together=4, clicks=3, go_on=1.0, beside=0.0, bend=0.0)
    found = scene_examples(judged, scene, config)
    clicked = [answer.candidates.terms[:, 0, 1:3].sum(axis=1) for answer in found]
    assert all((counts == counts[0]).all() for counts in clicked)  # own clicks and those of others
    assert max(counts[0] for counts in clicked) > 3  # more than the first ones
    assert min(answer.ious.max(axis=1).min() for answer in found) > 0.4


def test_examples_of_bent_scans_are_others(judged, two_boxes):
    scene = boxes_scene(two_boxes)
    terms = {}
    for bend in (0.0, 0.6):
        config = JudgeConfig(clicks=1, seed=2, bend=bend)
        found, again = (Examples.joined(scene_examples(judged, scene, config)) for _ in range(2))
        terms[bend] = found.candidates.terms
        assert np.array_equal(terms[bend], again.candidates.terms)
    assert terms[0.0].shape != terms[0.6].shape or not np.allclose(terms[0.0], terms[0.6])


def test_examples_are_seen_the_way_up_that_a_scene_says(judged, two_boxes, monkeypatch):
    seen = []

    def encode(cloud, **given):
        seen.append(given["up"])
        return ClickSegmenter.encode(judged, cloud, **given)

    monkeypatch.setattr(judged, "encode", encode)
    scene = boxes_scene(two_boxes)
    for frame in ("world", "camera"):
        scene_examples(
            judged, replace(scene, meta={"frame": frame}), JudgeConfig(objects=1, clicks=1)
        )
    assert seen == [(0.0, 0.0, 1.0), None]


def test_examples_do_not_depend_on_the_number_of_workers(judged, two_boxes, tmp_path):
    for name in "ab":
        save_scene(boxes_scene(two_boxes), tmp_path / f"{name}.npz")
    paths = sorted(tmp_path.glob("*.npz"))
    config = JudgeConfig(objects=2, clicks=2)
    one, two = (collect(judged, paths, config, workers=n) for n in (1, 2))
    for name in ("terms", "inside", "clicked", "classes"):
        assert np.array_equal(getattr(one.candidates, name), getattr(two.candidates, name))
    assert np.array_equal(one.ious, two.ious)


def test_training_ends_with_a_judge_and_can_start_from_one(run_config, tmp_path):
    short = ["steps=2", "judge.scenes=1", "judge.epochs=1"]
    checkpoint = train(run_config, short)
    segmenter = ClickSegmenter.load(checkpoint, device="cpu")
    assert segmenter.net.judge is not None
    assert float(segmenter.net.judge.scale.max()) > 0.0
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["judge"]["examples"] >= 3
    train(run_config, short, resume=True)  # nothing left to train; the judge is fitted again
    train(run_config, [*short, f"start_from={checkpoint}"], output=tmp_path / "next")


def test_judges_begin_with_weights_of_their_seed(tiny_segmenter):
    torch.rand(3)  # whatever was drawn before
    first, other = with_judge(tiny_segmenter.net, 1), with_judge(tiny_segmenter.net, 2)
    torch.rand(3)
    again = with_judge(tiny_segmenter.net, 1)
    assert torch.equal(first.judge.read.weight, again.judge.read.weight)
    assert not torch.equal(first.judge.read.weight, other.judge.read.weight)


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


def test_a_checkpoint_with_a_judge_of_another_version_can_be_fitted_again(
    judged, two_boxes, tmp_path
):
    net = with_judge(judged.net)
    net.judge = ExtentJudge(8, 5)  # of other sizes than this network's
    save_checkpoint(net, tmp_path / "old", training={"steps": 7})
    with pytest.raises(CheckpointError, match=r"clickseg3d judge .*old SCENES"):
        ClickSegmenter.load(tmp_path / "old", device="cpu")
    (tmp_path / "scenes").mkdir()
    save_scene(boxes_scene(two_boxes), tmp_path / "scenes" / "a.npz")
    config = JudgeConfig(scenes=1, epochs=1)
    facts = judge_checkpoint(tmp_path / "old", tmp_path / "scenes", tmp_path / "new", config)
    assert facts["examples"] >= 3
    segmenter = ClickSegmenter.load(tmp_path / "new", device="cpu")
    assert segmenter.info()["training"]["steps"] == 7
    assert segmenter.config.decoder.extent == "judged"
    clicks = Clicks(np.array([[-0.2, 0.0, 0.16]]), np.array([1]))
    assert (segmenter.segment(segmenter.encode(two_boxes[0], 0.04), clicks).labels == 1).any()


def test_the_command_fits_the_judge_as_training_does() -> None:
    given = inspect.signature(judge).parameters
    config = JudgeConfig()
    assert given["count"].default == config.scenes
    assert given["objects"].default == config.objects
    assert given["large"].default == config.large
    assert given["seed"].default == config.seed
