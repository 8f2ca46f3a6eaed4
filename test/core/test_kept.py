import torch

from clickseg3d_core.kept import KeptByVoxel


class Maker:
    """Gives (K', 2) and remembers which voxels it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, rows):
        def make(new):
            self.asked.append(rows[new].tolist())
            return torch.stack([rows[new], 10 * rows[new]], dim=1)

        return make


def test_each_voxel_is_computed_once():
    kept, maker = KeptByVoxel(), Maker()
    for voxels in ([5, 7, 5], [5, 7, 9], [9, 5]):
        rows = torch.tensor(voxels)
        expected = torch.stack([rows, 10 * rows], dim=1)
        assert torch.equal(kept.get(rows, maker(rows)), expected)
    assert maker.asked == [[5, 7], [9]]


def test_answers_are_fresh():
    kept, maker = KeptByVoxel(), Maker()
    rows = torch.tensor([3])
    kept.get(rows, maker(rows)).zero_()
    assert kept.get(rows, maker(rows)).tolist() == [[3, 30]]


def test_the_longest_unused_goes_first_and_a_call_may_exceed_the_room(monkeypatch):
    kept, maker = KeptByVoxel(), Maker()
    monkeypatch.setattr("clickseg3d_core.kept._KEPT_BYTES", 2 * 16)  # two voxels
    for voxels in ([1], [2], [1], [3], [1], [2], [4, 5, 6], [6]):
        rows = torch.tensor(voxels)
        assert kept.get(rows, maker(rows))[:, 0].tolist() == voxels
        assert len(kept) <= 2
    assert maker.asked == [[1], [2], [3], [2], [4, 5, 6]]


def test_many_are_computed_some_at_a_time():
    kept, maker = KeptByVoxel(), Maker()
    rows = torch.arange(70)
    assert kept.get(rows, maker(rows))[:, 0].tolist() == rows.tolist()
    assert [len(part) for part in maker.asked] == [32, 32, 6]
