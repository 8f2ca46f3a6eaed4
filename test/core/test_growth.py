"""A trained network that is given something new to look at."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import drawn

from clickseg3d_core import CheckpointError, Clicks, ClickSegmenter, cli
from clickseg3d_core.checkpoint import load_checkpoint, read_record, save_checkpoint
from clickseg3d_core.errors import ConfigError
from clickseg3d_core.model.families import build_net
from clickseg3d_core.model.network import ModelConfig
from clickseg3d_core.training.config import TrainConfig
from clickseg3d_core.training.growth import grown
from clickseg3d_core.training.judging import with_judge
from clickseg3d_core.training.mixing import mix_checkpoints
from clickseg3d_core.training.start import initial_net

AFFINITY = "decoder.heads.affinity.0.weight"


@pytest.fixture
def blind_config(tiny_config: ModelConfig) -> ModelConfig:
    """Tiny, without tint and height."""
    inputs = tuple(name for name in tiny_config.inputs if name not in ("tint", "height"))
    return replace(
        tiny_config,
        inputs=inputs,
        encoder=replace(tiny_config.encoder, in_channels=10),
        decoder=replace(tiny_config.decoder, colors=False),
    )


def run_from(checkpoint: Path) -> TrainConfig:
    here = Path()
    return TrainConfig(model=here, scenes=here, output=here, start_from=checkpoint)


def answer(net, cloud) -> np.ndarray:
    segmenter = ClickSegmenter(net, {}, torch.device("cpu"))
    clicks = Clicks(cloud.xyz[[3100, 4700]], np.array([1, 2]))
    return segmenter.segment(segmenter.encode(cloud, 0.04), clicks).probabilities


def test_a_grown_network_answers_as_before(blind_config, tiny_config, two_boxes, tmp_path):
    old = drawn(blind_config)
    save_checkpoint(old, tmp_path / "old", training={}, half=False)
    new = initial_net(run_from(tmp_path / "old"), tiny_config).eval()
    assert new.encoder.stem.conv.weight.shape[1] == 15
    assert np.allclose(answer(old, two_boxes[0]), answer(new, two_boxes[0]), atol=1e-4)


def test_new_weights_matter_once_they_are_not_zero(blind_config, tiny_config, two_boxes):
    old = drawn(blind_config)
    new = build_net(tiny_config).eval()
    new.load_state_dict(grown(old.state_dict(), blind_config, new))
    before = answer(new, two_boxes[0])
    with torch.no_grad():
        new.encoder.stem.conv.weight[:, 10:] += 1.0
    assert not np.allclose(before, answer(new, two_boxes[0]), atol=1e-3)


def test_edges_grow_at_the_end(blind_config, tiny_config):
    old, new = drawn(blind_config), drawn(tiny_config)
    before = old.state_dict()[AFFINITY]
    after = grown(old.state_dict(), blind_config, new)[AFFINITY]
    assert after.shape[1] == before.shape[1] + 1
    assert torch.equal(after[:, :-1], before)
    assert not after[:, -1].any()


def test_equal_networks_are_left_as_they_are(tiny_config):
    net = drawn(tiny_config)
    tensors = net.state_dict()
    assert all(torch.equal(t, tensors[n]) for n, t in grown(tensors, tiny_config, net).items())


def test_a_network_of_another_width_is_still_refused(blind_config, tiny_config, tmp_path):
    decoder = replace(blind_config.decoder, channels=16)
    save_checkpoint(drawn(replace(blind_config, decoder=decoder)), tmp_path / "old", training={})
    with pytest.raises(CheckpointError, match="of another shape"):
        initial_net(run_from(tmp_path / "old"), tiny_config)


def test_inputs_that_are_gone_are_refused(blind_config, tiny_config, tmp_path):
    save_checkpoint(drawn(tiny_config), tmp_path / "old", training={})
    with pytest.raises(CheckpointError, match="of another shape"):
        initial_net(run_from(tmp_path / "old"), blind_config)


def test_the_backbone_alone_is_taken_whatever_the_decoder(tiny_config, tmp_path):
    decoder = replace(tiny_config.decoder, channels=16)
    old = drawn(replace(tiny_config, decoder=decoder))
    save_checkpoint(old, tmp_path / "old", training={}, half=False)
    here = Path()
    config = TrainConfig(
        model=here, scenes=here, output=here, start_backbone_from=tmp_path / "old", backbone_rate=0
    )
    new = initial_net(config, tiny_config)
    for (name, mine), theirs in zip(
        new.encoder.state_dict().items(), old.encoder.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs), name
    asking = {n.split(".")[0] for n, p in new.named_parameters() if p.requires_grad}
    assert "encoder" not in asking
    assert "decoder" in asking


def test_a_run_starts_from_one_thing(tmp_path):
    here = Path()
    with pytest.raises(ConfigError, match="exclude each other"):
        TrainConfig(model=here, scenes=here, output=here, start_from=here, start_backbone_from=here)


def saved(net, folder):
    save_checkpoint(net, folder, training={"step": 3}, half=False)
    return folder


def test_a_mix_lies_between_a_network_and_what_it_grew_from(
    blind_config, tiny_config, two_boxes, tmp_path
):
    before = saved(drawn(blind_config), tmp_path / "before")
    tuned = initial_net(run_from(before), tiny_config).eval()
    with torch.no_grad():
        tuned.decoder.role.weight += 1.0
        tuned.encoder.stem.conv.weight[:, 10:] += 0.5
    after = saved(tuned, tmp_path / "after")
    answers = []
    for share in (0.0, 0.5, 1.0):
        mix_checkpoints(before, after, tmp_path / f"{share}", share)
        net, record = load_checkpoint(tmp_path / f"{share}")
        assert record["training"] == {"step": 3, "share": share}
        answers.append(answer(net, two_boxes[0]))
        role = drawn(blind_config).decoder.role.weight + share
        assert torch.allclose(net.decoder.role.weight, role, atol=1e-2)  # stored as float16
    assert np.allclose(answers[0], answer(drawn(blind_config), two_boxes[0]), atol=0.02)
    assert np.allclose(answers[2], answer(tuned, two_boxes[0]), atol=0.02)
    assert not np.allclose(answers[1], answers[0], atol=0.02)


def test_mixing_drops_the_judge(tiny_config, tmp_path):
    judged = saved(with_judge(drawn(tiny_config)), tmp_path / "judged")
    mix_checkpoints(judged, judged, tmp_path / "mix", 0.3)
    net, _ = load_checkpoint(tmp_path / "mix")
    assert net.judge is None
    assert net.config.decoder.extent == "fixed"


def test_the_judge_of_the_network_before_can_be_kept(tiny_config, tmp_path):
    net = with_judge(drawn(tiny_config), seed=4)
    before, after = saved(net, tmp_path / "a"), saved(drawn(tiny_config), tmp_path / "b")
    mix_checkpoints(before, after, tmp_path / "mix", 0.5, keep_judge=True)
    mixed, _ = load_checkpoint(tmp_path / "mix")
    assert mixed.config == net.config
    for kept, had in zip(mixed.judge.parameters(), net.judge.parameters(), strict=True):
        assert torch.allclose(kept, had, atol=1e-3)  # stored as float16
    with pytest.raises(ConfigError, match="has no judge to keep"):
        mix_checkpoints(after, before, tmp_path / "none", 0.5, keep_judge=True)
    assert not (tmp_path / "none").exists()


def test_networks_that_do_not_belong_together_are_not_mixed(tiny_config, tmp_path):
    wide = replace(tiny_config, decoder=replace(tiny_config.decoder, channels=64))
    one, other = saved(drawn(tiny_config), tmp_path / "a"), saved(drawn(wide), tmp_path / "b")
    with pytest.raises(CheckpointError, match="of another shape"):
        mix_checkpoints(one, other, tmp_path / "mix", 0.5)
    assert not (tmp_path / "mix").exists()


def test_mix_command(tiny_config, tmp_path, capsys):
    one = saved(drawn(tiny_config), tmp_path / "a")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["mix", str(one), str(one), "-o", str(tmp_path / "mix"), "--share", "0.5"])
    assert not stopped.value.code
    assert "checkpoint in" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        cli.main(["mix", str(one), str(one), "-o", str(tmp_path / "mix"), "--share", "1.5"])
    assert stopped.value.code


def test_switches_that_need_no_other_weights_are_set_while_mixing(tiny_config, tmp_path):
    net = with_judge(drawn(tiny_config), seed=4)
    one = saved(net, tmp_path / "a")
    switches = ["decoder.coarser=2.0", "decoder.background_logit=-1"]
    mix_checkpoints(one, one, tmp_path / "mix", 0.5, keep_judge=True, switches=switches)
    mixed, _ = load_checkpoint(tmp_path / "mix")
    decoder = replace(net.config.decoder, coarser=2.0, background_logit=-1.0)
    assert mixed.config == replace(net.config, decoder=decoder)
    had = net.state_dict()
    assert mixed.state_dict().keys() == had.keys()
    for name, kept in mixed.state_dict().items():
        assert torch.allclose(kept.float(), had[name].float(), atol=1e-2), name


def test_a_kept_judge_that_is_switched_off_leaves_nothing_behind(tiny_config, tmp_path):
    net = with_judge(drawn(tiny_config), seed=4)
    one = tmp_path / "a"
    save_checkpoint(net, one, training={"judge": {"examples": 3}})
    mix_checkpoints(one, one, tmp_path / "kept", 0.5, keep_judge=True)
    mix_checkpoints(
        one, one, tmp_path / "mix", 0.5, keep_judge=True, switches=["decoder.extent=fixed"]
    )
    assert read_record(tmp_path / "kept")["training"]["judge"] == {"examples": 3}
    assert "judge" not in read_record(tmp_path / "mix")["training"]
    assert load_checkpoint(tmp_path / "mix")[0].judge is None


def test_one_checkpoint_alone_keeps_its_weights(tiny_config, tmp_path):
    net = with_judge(drawn(tiny_config), seed=4)
    save_checkpoint(net, tmp_path / "a", training={"share": 0.25})
    mix_checkpoints(tmp_path / "a", None, tmp_path / "mix", 0.5, keep_judge=True)
    had = load_checkpoint(tmp_path / "a")[0].state_dict()
    kept = load_checkpoint(tmp_path / "mix")[0].state_dict()
    assert had.keys() == kept.keys()
    assert all(torch.equal(had[name], kept[name]) for name in had)
    assert read_record(tmp_path / "mix")["training"]["share"] == 0.25


def test_switches_that_need_other_weights_are_refused(tiny_config, tmp_path):
    one = saved(drawn(tiny_config), tmp_path / "a")
    for switch, error in (("decoder.votes=false", CheckpointError), ("decoder.no=1", ConfigError)):
        with pytest.raises(error):
            mix_checkpoints(one, one, tmp_path / "mix", 0.5, switches=[switch])
        assert not (tmp_path / "mix").exists()


def test_mix_command_sets_switches(tiny_config, tmp_path):
    one = saved(drawn(tiny_config), tmp_path / "a")
    command = ["mix", str(one), "-o", str(tmp_path / "mix")]
    with pytest.raises(SystemExit) as stopped:
        cli.main([*command, "--set", "decoder.coarser=2.0"])
    assert not stopped.value.code
    assert load_checkpoint(tmp_path / "mix")[0].config.decoder.coarser == 2.0
