import json

import pytest
import torch

from clickseg3d_core import CheckpointError, ClickSegmenter
from clickseg3d_core.checkpoint import load_checkpoint, load_weights, save_checkpoint


@pytest.fixture
def folder(tmp_path, tiny_net):
    save_checkpoint(tiny_net, tmp_path / "c", training={"steps": 3})
    return tmp_path / "c"


def test_saved_network_comes_back(folder, tiny_net):
    net, record = load_checkpoint(folder)
    assert net.config == tiny_net.config
    assert record["training"] == {"steps": 3}
    for name, tensor in tiny_net.state_dict().items():
        expected = tensor if "running_" in name else tensor.half().to(tensor.dtype)
        assert torch.equal(net.state_dict()[name], expected), name
    assert not net.training


def test_full_precision_is_kept_when_asked_for(tmp_path, tiny_net):
    save_checkpoint(tiny_net, tmp_path, training={}, half=False)
    net, _ = load_checkpoint(tmp_path)
    assert all(torch.equal(net.state_dict()[n], t) for n, t in tiny_net.state_dict().items())


def test_info_tells_what_is_loaded(folder):
    info = ClickSegmenter.load(folder, device="cpu").info()
    assert info["name"] == "tiny"
    assert info["training"] == {"steps": 3}
    assert len(info["classes"]) == 35


def test_missing_folder_raises_checkpoint_error(tmp_path):
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        load_checkpoint(tmp_path / "nothing")


def test_truncated_weights_raise_checkpoint_error(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        load_checkpoint(folder)


def test_missing_weights_raise_checkpoint_error(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(folder)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"format_version": 99}'])
def test_damaged_config_raises_checkpoint_error(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)


def test_weights_of_another_config_raise_checkpoint_error(folder):
    path = folder / "config.json"
    record = json.loads(path.read_text())
    record["model"]["decoder"]["channels"] = 64
    path.write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="another config"):
        load_checkpoint(folder)


def test_unknown_model_key_raises_checkpoint_error(folder):
    path = folder / "config.json"
    record = json.loads(path.read_text())
    record["model"]["colour"] = 1
    path.write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="describes no network"):
        load_checkpoint(folder)


def test_missing_tensor_leaves_the_network_as_it_was(tiny_net):
    state = {k: v + 1 for k, v in tiny_net.state_dict().items()}
    state.pop("decoder.prototypes")
    before = {k: v.clone() for k, v in tiny_net.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"1 missing \['decoder.prototypes'\]"):
        load_weights(tiny_net, state, "here")
    assert all(torch.equal(before[k], v) for k, v in tiny_net.state_dict().items())


def test_failed_save_leaves_the_old_checkpoint(folder, tiny_net, monkeypatch):
    import clickseg3d_core.checkpoint as module

    before = (folder / "model.safetensors").read_bytes()

    def fail(tensors, path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(module, "save_file", fail)
    with pytest.raises(Exception, match="disk full"):
        save_checkpoint(tiny_net, folder, training={})
    assert (folder / "model.safetensors").read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
