from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clickseg3d_core import cli
from clickseg3d_core.checkpoint import save_checkpoint
from clickseg3d_core.click_text import add_clicks, parse_click
from clickseg3d_core.closeup import CloseUp
from clickseg3d_core.config import from_dict, load_yaml
from clickseg3d_core.data.scene import Scene, load_scene, save_scene
from clickseg3d_core.demo.run import one_click_each, run_demo
from clickseg3d_core.errors import ClickError
from clickseg3d_core.io import read_cloud
from clickseg3d_core.model.network import ClickSegmentationNet, ModelConfig
from clickseg3d_core.segmenter import ClickSegmenter
from clickseg3d_core.session import ClickSession

TINY = Path(__file__).parents[2] / "config" / "model" / "tiny.yaml"
ON_RED = "-0.2,0,0.16"
ON_BLUE = "0.2,0,0.16"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A tiny network with random weights: the front end is tested, not the answers."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ClickSegmentationNet(from_dict(ModelConfig, load_yaml(TINY)))
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save_checkpoint(net.eval(), folder, training={"steps": 12})
    return folder


@pytest.fixture
def scan(two_boxes, tmp_path) -> Path:
    cloud, instance = two_boxes
    path = tmp_path / "scan.npz"
    np.savez(path, xyz=cloud.xyz, rgb=cloud.rgb, truth=instance)
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(a) for a in arguments])
    return int(stopped.value.code or 0)


def test_segment_writes_cloud_and_picture_and_prints_a_row_per_object(
    scan, checkpoint, tmp_path, capsys
):
    out, picture = tmp_path / "out.ply", tmp_path / "out.png"
    code = run("segment", scan, "--click", ON_RED, "--click", ON_BLUE, "-o", out,
               "--picture", picture, "--checkpoint", checkpoint, "--device", "cpu")  # fmt: skip
    assert code == 0
    file = read_cloud(out)
    assert {"truth", "instance", "class", "score"} <= set(file.fields)
    clicked = np.linalg.norm(file.cloud.xyz - (-0.2, 0, 0.16), axis=1).argmin()
    assert file.fields["instance"][clicked] == 1
    assert set(np.unique(file.fields["instance"])) <= {0, 1, 2}
    assert (file.fields["class"][file.fields["instance"] == 0] == -1).all()
    with Image.open(picture) as image:
        assert image.size == (1280, 800)
    printed = capsys.readouterr().out
    assert "6,000 points" in printed
    assert f"wrote {out}" in printed.replace("\n", "")


def test_result_equals_that_of_the_library(scan, checkpoint, tmp_path):
    out = tmp_path / "out.npz"
    assert run("segment", scan, "--click", f"4:{ON_RED}", "--background", ON_BLUE, "-o", out,
               "--checkpoint", checkpoint, "--voxel-size", "0.02") == 0  # fmt: skip
    session = ClickSession()
    session.add((-0.2, 0, 0.16), 4)
    session.add((0.2, 0, 0.16), 0)
    segmenter = ClickSegmenter.load(checkpoint)
    encoding = segmenter.encode(read_cloud(scan).cloud, voxel_size=0.02)
    expected = segmenter.segment(encoding, session.clicks)
    with np.load(out) as written:
        np.testing.assert_array_equal(written["instance"], expected.labels)
        np.testing.assert_allclose(written["score"], expected.probabilities, atol=1e-6)


def test_up_turns_boxes(scan, checkpoint, tmp_path, monkeypatch):
    asked = []
    encode = ClickSegmenter.encode
    monkeypatch.setattr(
        ClickSegmenter, "encode", lambda *given: asked.append(given[3]) or encode(*given)
    )
    for up in ((), ("--up", "-y")):
        assert run("segment", scan, "--click", ON_RED, "-o", tmp_path / "out.npz",
                   "--checkpoint", checkpoint, *up) == 0  # fmt: skip
    assert asked == [None, (0.0, -1.0, 0.0)]


@pytest.mark.parametrize(
    ("flags", "kind"),
    [((), CloseUp), (("--no-closer",), ClickSegmenter), (("--voxel-size", "0.02"), ClickSegmenter)],
)
def test_small_things_are_looked_at_unless_voxels_are_given(
    scan, checkpoint, tmp_path, monkeypatch, flags, kind
):
    used = []
    encode = ClickSegmenter.encode
    monkeypatch.setattr(
        ClickSegmenter, "encode", lambda *given: used.append(type(given[0])) or encode(*given)
    )
    assert run("segment", scan, "--click", ON_RED, "-o", tmp_path / "out.npz", "--checkpoint",
               checkpoint, *flags) == 0  # fmt: skip
    assert set(used) == {kind}


@pytest.mark.parametrize(("scale", "is_said"), [(1.0, False), (1000.0, True)])
def test_millimetres_are_told(scan, checkpoint, tmp_path, capsys, scale, is_said):
    cloud = read_cloud(scan).cloud
    np.savez(tmp_path / "mm.npz", xyz=cloud.xyz * scale, rgb=cloud.rgb)
    place = ",".join(str(float(v) * scale) for v in ON_RED.split(","))
    assert run("segment", tmp_path / "mm.npz", "--click", place, "-o", tmp_path / "out.npz",
               "--checkpoint", checkpoint) == 0  # fmt: skip
    assert ("note: the voxels are" in capsys.readouterr().out) is is_said


def test_a_picture_stands_upright(scan, checkpoint, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("clickseg3d_core.picture.draw", lambda *given: drawn.append(given))
    assert run("segment", scan, "--click", ON_RED, "-o", tmp_path / "out.npz", "--checkpoint",
               checkpoint, "--picture", tmp_path / "a.png", "--up", "+x") == 0  # fmt: skip
    (cloud, clicks, _, _), xyz = drawn[0], read_cloud(scan).cloud.xyz
    np.testing.assert_allclose(cloud.xyz[:, 2], xyz[:, 0], atol=1e-9)
    assert clicks.positions[0, 2] == pytest.approx(float(ON_RED.split(",")[0]))


def test_session_file_gives_clicks_and_formats_convert(scan, checkpoint, tmp_path):
    session = ClickSession()
    session.add((-0.2, 0, 0.16))
    session.save(tmp_path / "clicks.json")
    out = tmp_path / "out.laz"
    assert run("segment", scan, "--session", tmp_path / "clicks.json", "--click", ON_BLUE,
               "-o", out, "--checkpoint", checkpoint) == 0  # fmt: skip
    fields = read_cloud(out).fields
    xyz = read_cloud(out).cloud.xyz
    for number, position in ((1, (-0.2, 0, 0.16)), (2, (0.2, 0, 0.16))):
        assert fields["instance"][np.linalg.norm(xyz - position, axis=1).argmin()] == number


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--click": None}, "no object was clicked"),
        ({"--click": "1,2"}, "a click is X,Y,Z"),
        ({"--click": "nan,0,0"}, "finite"),
        ({"--click": "-1:0,0,0"}, "object id"),
        ({"--click": "9,9,9"}, "nearest point"),
        ({"--background": "1:0,0,0"}, "without an id"),
        ({"--up": "y"}, "up must be one of"),
        ({"-o": "out.foo"}, "known endings"),
        ({"-o": "none/out.ply"}, "is no folder"),
        ({"-o": "scan.npz"}, "is the input"),
        ({"--picture": "a.jpg"}, "a picture is a .png file"),
        ({"--picture": "none/a.png"}, "is no folder"),
        ({"--checkpoint": "none"}, "is no checkpoint"),
        ({"--device": "tpu"}, "device must be"),
        ({"--click": "1e308,0,0"}, "nearest point"),
        ({"--voxel-size": "1e-9"}, "too small for this cloud"),
        ({"-o": "x" * 300 + ".ply"}, "too long"),
        ({"--voxel-size": "-1"}, "voxel_size must be a positive"),
        ({"--session": "none.json"}, "cannot be read"),
        ({"cloud": "none.ply"}, "does not exist"),
    ],
)
def test_mistake_is_one_line_exit_code_two_and_writes_nothing(
    change, message, scan, checkpoint, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    options = {"--click": ON_RED, "-o": "out.ply", "--checkpoint": checkpoint, **change}
    cloud = options.pop("cloud", scan.name)
    flags = [part for pair in options.items() if pair[1] is not None for part in pair]
    before = sorted(tmp_path.rglob("*"))
    assert run("segment", cloud, *flags) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert captured.out == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("flags", [("-o", "out.foo"), ("-o", "none/o.ply"),
                                   ("-o", "o.ply", "--picture", "none/a.png")])  # fmt: skip
def test_bad_output_is_found_before_the_weights_are_loaded(flags, scan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ClickSegmenter, "load", lambda *_: pytest.fail("loaded"))
    assert run("segment", scan, "--click", ON_RED, *flags) == 2


def test_info_prints_name_size_and_training(checkpoint, capsys):
    assert run("info", checkpoint) == 0
    printed = capsys.readouterr().out
    assert "tiny" in printed
    assert "training.steps" in printed
    parameters = sum(p.numel() for p in ClickSegmenter.load(checkpoint).net.parameters())
    assert f"{parameters:,}" in printed


def test_train_passes_its_arguments_on(tmp_path, monkeypatch, capsys):
    loop = pytest.importorskip("clickseg3d_core.training.loop")
    seen = []

    def fake(config, overrides, output, resume, progress):
        progress(1, 2, {"loss": 0.5})
        seen.append((config, overrides, output, resume))
        return tmp_path / "run"

    monkeypatch.setattr(loop, "train", fake)
    assert run("train", "a.yaml", "--set", "steps=3", "--set", "b.c=d", "--output", tmp_path,
               "--resume") == 0  # fmt: skip
    assert seen == [(Path("a.yaml"), ["steps=3", "b.c=d"], tmp_path, True)]
    assert "checkpoint in" in capsys.readouterr().out


def test_simulate_writes_labelled_scenes_of_the_kind_asked_for(tmp_path):
    pytest.importorskip("embreex")
    assert run("simulate", tmp_path / "s", "--scenes", "1", "--kinds", "table", "--seed", "3") == 0
    scene = load_scene(tmp_path / "s" / "scene_00000.npz")
    assert scene.meta["kind"] == "table"
    assert scene.instance.max() >= 1


def test_simulate_names_unknown_kinds(tmp_path, capsys):
    pytest.importorskip("embreex")
    assert run("simulate", tmp_path / "s", "--kinds", "moon") == 2
    assert "moon" in capsys.readouterr().err


def test_demo_reports_an_iou_per_object_and_writes_both_files(
    two_boxes, checkpoint, tmp_path, capsys
):
    cloud, instance = two_boxes
    scene = Scene(xyz=cloud.xyz.astype(np.float32), rgb=cloud.rgb, instance=instance,
                  instance_class=np.array([-1, 19, 19], np.int16))  # fmt: skip
    save_scene(scene, tmp_path / "scan.npz")
    report = run_demo(tmp_path / "out", checkpoint, tmp_path / "scan.npz")
    assert [(entry.id, entry.true_class, entry.points) for entry in report.objects] == [
        (1, "box", 1500), (2, "box", 1500),
    ]  # fmt: skip
    fields = read_cloud(report.cloud_path).fields
    found, truth = fields["instance"] == 1, fields["true_instance"] == 1
    expected = (found & truth).sum() / (found | truth).sum()
    assert report.objects[0].iou == pytest.approx(expected)
    assert report.mean_iou == pytest.approx(np.mean([entry.iou for entry in report.objects]))
    assert report.picture_path.stat().st_size > 1000
    clicks = one_click_each(scene)
    assert clicks.object_ids.tolist() == [1, 2]
    cli._print_demo(report)
    printed = capsys.readouterr().out
    assert f"{report.mean_iou:.3f}" in printed
    command = printed.split("try: clickseg3d ")[1].split()
    assert run(*command, "--checkpoint", checkpoint) == 0
    assert "input_instance" in read_cloud(tmp_path / "out" / "one.ply").fields


def test_click_text_is_read_with_and_without_id():
    assert parse_click("-1,2e-3,.5") == (None, (-1.0, 0.002, 0.5))
    assert parse_click("12:1,2,3") == (12, (1.0, 2.0, 3.0))
    for text in ("", "1,2,3,4", "a:1,2,3", "1.5:1,2,3", "1:2:1,2,3", "1,2,x"):
        with pytest.raises(ClickError, match="a click is X,Y,Z or ID:X,Y,Z"):
            parse_click(text)


def test_clicks_without_id_take_ids_that_nobody_uses():
    session = ClickSession()
    session.add((0, 0, 0), 2)
    add_clicks(session, ["0,0,0", "1:1,1,1", "2,2,2", "2:3,3,3"], ["4,4,4"])
    assert session.clicks.object_ids.tolist() == [2, 3, 1, 4, 2, 0]
