"""A network of its own for the coarser of two encodings."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import boxes_scene, drawn

from clickseg3d_core import CheckpointError, Clicks, ClickSegmenter, ConfigError, cli
from clickseg3d_core.checkpoint import load_checkpoint, save_checkpoint
from clickseg3d_core.coarser import Spread
from clickseg3d_core.data.scene import save_scene
from clickseg3d_core.training.config import JudgeConfig, TrainConfig
from clickseg3d_core.training.judging import judge_checkpoint, with_judge
from clickseg3d_core.training.mixing import mix_checkpoints, switched
from clickseg3d_core.training.start import initial_net

CPU = torch.device("cpu")
TWICE = ["decoder.coarser=2.0"]


@pytest.fixture
def parts(tiny_config, tmp_path) -> tuple[Path, Path]:
    """Checkpoints of a network and of one for coarser voxels, which has a judge to be dropped."""
    nets = (drawn(tiny_config, 0), with_judge(drawn(tiny_config, 1)))
    folders = tmp_path / "fine", tmp_path / "coarse"
    for net, folder in zip(nets, folders, strict=True):
        save_checkpoint(net, folder, training={}, half=False)
    return folders


@pytest.fixture
def both(parts, tmp_path) -> Path:
    fine, coarse = parts
    mix_checkpoints(fine, fine, tmp_path / "both", 0.5, coarse=coarse, switches=TWICE)
    return tmp_path / "both"


def masks(segmenter, cloud, ids, size=None):
    clicks = Clicks(cloud.xyz[[int(np.flatnonzero(ids == i)[0]) for i in (1, 2)]], np.array([1, 2]))
    encoding = segmenter.encode(cloud, size)
    return encoding, segmenter.decoded(encoding, clicks).masks


def test_each_network_answers_in_its_own_voxels(both, parts, two_boxes):
    segmenter = ClickSegmenter.load(both, device="cpu")
    encoding, found = masks(segmenter, *two_boxes)
    coarse, spread = encoding.coarser
    assert isinstance(spread, Spread)
    alone = [ClickSegmenter(load_checkpoint(folder)[0], {}, CPU) for folder in parts]
    _, fine = masks(alone[0], *two_boxes)
    _, wide = masks(alone[1], *two_boxes, coarse.voxel_size)
    assert torch.allclose(found, (fine + spread(wide)) / 2.0, atol=0.05)  # stored as float16
    same = ClickSegmenter(switched(segmenter.net, ["decoder.coarser_weights=same"]), {}, CPU)
    assert same.net.coarse is None
    assert (found - masks(same, *two_boxes)[1]).abs().max() > 0.5
    assert segmenter.info()["parameters"] > 1.9 * same.info()["parameters"]


def test_each_network_has_a_file_of_its_own(both, parts, tiny_config):
    names = ["coarse.safetensors", "config.json", "model.safetensors"]
    assert sorted(p.name for p in both.iterdir()) == names
    net, _ = load_checkpoint(both)
    fine, coarse = (load_checkpoint(folder)[0] for folder in parts)
    assert net.config.decoder.has_coarse
    assert net.coarse.judge is None
    assert net.coarse.config.decoder == replace(tiny_config.decoder, extent="fixed")
    for name, kept in net.coarse.state_dict().items():
        assert torch.allclose(kept.float(), coarse.state_dict()[name].float(), atol=1e-2), name
    for name, had in fine.state_dict().items():
        assert torch.allclose(net.state_dict()[name].float(), had.float(), atol=1e-2), name


def test_a_checkpoint_without_the_second_file_is_refused(both):
    coarse = both / "coarse.safetensors"
    coarse.write_bytes(coarse.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"coarse\.safetensors is not the file"):
        ClickSegmenter.load(both, device="cpu")
    coarse.unlink()
    with pytest.raises(CheckpointError, match=r"coarse\.safetensors cannot be read"):
        ClickSegmenter.load(both, device="cpu")


def test_a_network_alone_takes_the_second_file_away(both, tiny_config):
    save_checkpoint(drawn(tiny_config, 2), both, training={})
    assert sorted(p.name for p in both.iterdir()) == ["config.json", "model.safetensors"]
    assert load_checkpoint(both)[0].coarse is None


def test_switches_that_encode_once_drop_it(both):
    net, _ = load_checkpoint(both)
    assert switched(net, ["decoder.coarser=0.0"]).coarse is None
    assert switched(net, ["decoder.doubt=0.2"]).coarse is not None


def test_a_judge_is_fitted_to_both(both, two_boxes, tmp_path):
    (tmp_path / "scenes").mkdir()
    save_scene(boxes_scene(two_boxes), tmp_path / "scenes" / "a.npz")
    config = JudgeConfig(scenes=1, objects=2, epochs=1)
    judge_checkpoint(both, tmp_path / "scenes", tmp_path / "judged", config)
    net, _ = load_checkpoint(tmp_path / "judged")
    assert net.judge is not None
    had = load_checkpoint(both)[0].coarse.state_dict()
    assert all(torch.equal(had[name], kept) for name, kept in net.coarse.state_dict().items())


def test_what_is_mixed_after_keeps_it(both, parts, tmp_path):
    had = load_checkpoint(both)[0].coarse.state_dict()
    mix_checkpoints(parts[0], both, tmp_path / "kept", 0.5)
    kept = load_checkpoint(tmp_path / "kept")[0].coarse.state_dict()
    assert all(torch.equal(had[name], tensor) for name, tensor in kept.items())
    mix_checkpoints(both, parts[0], tmp_path / "dropped", 0.5)
    assert load_checkpoint(tmp_path / "dropped")[0].coarse is None


def test_a_run_trains_one_network(both, tiny_config):
    here = Path()
    config = TrainConfig(model=here, scenes=here, output=here, start_from=both)
    net = initial_net(config, tiny_config)
    assert net.coarse is None
    had = load_checkpoint(both)[0].state_dict()
    assert all(torch.equal(had[name], tensor) for name, tensor in net.state_dict().items())
    with pytest.raises(ConfigError, match="a run trains one network"):
        initial_net(config, load_checkpoint(both)[0].config)


def test_it_is_for_two_encodings_and_of_the_same_shape(parts, tiny_config, tmp_path):
    fine, coarse = parts
    with pytest.raises(ConfigError, match=r"--set decoder\.coarser=2\.0"):
        mix_checkpoints(fine, fine, tmp_path / "none", 0.5, coarse=coarse)
    wide = replace(tiny_config, decoder=replace(tiny_config.decoder, channels=64))
    save_checkpoint(drawn(wide, 0), tmp_path / "wide", training={})
    with pytest.raises(CheckpointError, match="of another shape"):
        mix_checkpoints(
            fine, fine, tmp_path / "none", 0.5, coarse=tmp_path / "wide", switches=TWICE
        )
    assert not (tmp_path / "none").exists()


def test_other_families_have_none(tiny_config):
    off = dict.fromkeys(tiny_config.decoder.switched_on, False)
    decoder = replace(tiny_config.decoder, **off, coarser=2.0, coarser_weights="own")
    with pytest.raises(ConfigError, match="coarser_weights same"):
        replace(tiny_config, family="agile3d", decoder=decoder)


def test_mix_command_puts_it_there(parts, tmp_path):
    fine, coarse = parts
    command = ["mix", str(fine), "-o", str(tmp_path / "both"), "--set", *TWICE]
    with pytest.raises(SystemExit) as stopped:
        cli.main([*command, "--coarse", str(coarse)])
    assert not stopped.value.code
    moved = shutil.copytree(tmp_path / "both", tmp_path / "moved")
    assert ClickSegmenter.load(moved, device="cpu").net.coarse is not None
