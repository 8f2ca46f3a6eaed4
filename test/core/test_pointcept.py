from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from clickseg3d_core.errors import CheckpointError
from clickseg3d_core.model.encoder import EncoderConfig, PointEncoder
from clickseg3d_core.model.grid import VoxelBatch
from clickseg3d_core.model.pointcept import load_pointcept_state, read_pointcept_file

# Random float16 weights, two clouds of 631 and 28 voxels, and what the official model.py
# (Pointcept/PointTransformerV3 at 3229e9b, flash attention in float32, shuffle_orders off, eval)
# makes of them on a CPU with patches of 64.
GOLDEN = Path(__file__).parent / "fixtures" / "ptv3_golden.npz"
CONFIG = EncoderConfig(
    enc_depths=(1, 2, 1),
    enc_channels=(8, 16, 16),
    enc_heads=(1, 2, 4),
    dec_depths=(2, 1),
    dec_channels=(8, 12),
    dec_heads=(2, 3),
    patch_size=64,
    padding="borrow",
)


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with np.load(GOLDEN) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture(scope="module")
def state(golden: dict[str, Tensor]) -> dict[str, Tensor]:
    named = {name[6:]: value for name, value in golden.items() if name.startswith("state/")}
    return {
        name: value.float() if value.is_floating_point() else value for name, value in named.items()
    }


def encode(encoder: PointEncoder, golden: dict[str, Tensor]) -> Tensor:
    grid = VoxelBatch(golden["coords"].long(), golden["batch"].long())
    with torch.no_grad():
        return encoder.eval()(grid, golden["features"])[-1].features


def test_official_weights_give_official_features(
    golden: dict[str, Tensor], state: dict[str, Tensor]
) -> None:
    encoder = PointEncoder(CONFIG)
    report = load_pointcept_state(encoder, state)
    assert (report.missing, report.unexpected) == ((), ())
    assert report.loaded == len(encoder.state_dict())
    assert golden["output"].std() > 10
    assert (encode(encoder, golden) - golden["output"]).abs().max() < 1e-3


def test_wrapped_names_and_a_segmentation_head_do_not_matter(
    golden: dict[str, Tensor], state: dict[str, Tensor]
) -> None:
    wrapped = {f"module.backbone.{name}": value for name, value in state.items()}
    wrapped["module.seg_head.weight"] = torch.zeros(20, 8)
    encoder = PointEncoder(CONFIG)
    report = load_pointcept_state(encoder, {"epoch": 3, "state_dict": wrapped})
    assert report.missing == ()
    assert report.unexpected == ("module.seg_head.weight",)
    assert (encode(encoder, golden) - golden["output"]).abs().max() < 1e-3


def test_spconv_1_layout_is_read_too(state: dict[str, Tensor]) -> None:
    old = {
        name: value.permute(1, 2, 3, 4, 0) if value.ndim == 5 else value
        for name, value in state.items()
    }
    encoders = PointEncoder(CONFIG), PointEncoder(CONFIG)
    for encoder, weights in zip(encoders, (state, old), strict=True):
        load_pointcept_state(encoder, weights)
    torch.testing.assert_close(encoders[0].stem.conv.weight, encoders[1].stem.conv.weight)


def test_absent_entries_are_reported_and_keep_their_values(state: dict[str, Tensor]) -> None:
    encoder = PointEncoder(CONFIG)
    before = encoder.stem.conv.weight.clone()
    rest = {name: value for name, value in state.items() if name != "embedding.stem.conv.weight"}
    assert load_pointcept_state(encoder, rest).missing == ("stem.conv.weight",)
    assert torch.equal(encoder.stem.conv.weight, before)


def test_other_shape_raises_checkpoint_error_and_changes_nothing(state: dict[str, Tensor]) -> None:
    encoder = PointEncoder(CONFIG)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    name = "embedding.stem.conv.weight"
    four_inputs = {**state, name: state[name][..., :4]}
    with pytest.raises(CheckpointError, match=r"stem\.conv.*\(8, 5, 5, 5, 4\)"):
        load_pointcept_state(encoder, four_inputs)
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())


def test_entries_of_another_shape_can_be_left_out(state: dict[str, Tensor]) -> None:
    """The paper's size has a narrower coarsest level than the published weights."""
    encoder = PointEncoder(replace(CONFIG, enc_channels=(8, 16, 32), enc_heads=(1, 2, 8)))
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    report = load_pointcept_state(encoder, state, partly=True)
    own = encoder.state_dict()
    same = [name for name in own if torch.equal(own[name], before[name])]
    assert report.loaded + len(report.missing) == len(own)
    assert any("enc2" in name for name in report.misfits)
    assert not any("enc0" in name or "stem" in name for name in report.misfits)
    assert set(same) >= {name for name in report.missing if name.endswith("weight")}


@pytest.mark.parametrize(
    "content", [{"resnet.conv1.weight": torch.zeros(3)}, {"epoch": 3}, {"state_dict": {}}]
)
def test_other_network_raises_checkpoint_error(content: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match=r"belongs to|named tensors"):
        load_pointcept_state(PointEncoder(CONFIG), content)


def test_pth_file_round_trip(tmp_path: Path, state: dict[str, Tensor]) -> None:
    torch.save({"state_dict": state, "epoch": 1}, tmp_path / "model.pth")
    read = read_pointcept_file(tmp_path / "model.pth")
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("trap-was-sprung"),))


def test_pickled_code_raises_checkpoint_error_and_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Trap()}, "model.pth")
    with pytest.raises(CheckpointError, match="plain tensors"):
        read_pointcept_file(Path("model.pth"))
    assert not Path("trap-was-sprung").exists()


def test_missing_and_damaged_files_raise_checkpoint_error(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(b"PK\x03\x04 not a model")
    for path in (damaged, tmp_path / "absent.pth"):
        with pytest.raises(CheckpointError, match="plain tensors"):
            read_pointcept_file(path)
