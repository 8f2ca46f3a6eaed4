"""Labelled scenes and their files."""

import numpy as np
import pytest
from raw_datasets import small_scene

from clickseg3d_core.classes import CLASS_NAMES
from clickseg3d_core.data.scene import compact, load_scene, save_scene
from clickseg3d_core.errors import FileFormatError


def test_scene_with_its_own_classes_survives_the_file(tmp_path):
    scene = small_scene()
    save_scene(scene, tmp_path / "a.npz")
    back = load_scene(tmp_path / "a.npz")
    assert back.class_names == ("cup", "wall")
    np.testing.assert_array_equal(back.semantic, scene.semantic)
    np.testing.assert_array_equal(back.instance, scene.instance)


def test_scene_of_the_default_classes_is_stored_as_before(tmp_path):
    scene = small_scene(class_names=CLASS_NAMES, semantic=None)
    save_scene(scene, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as data:
        assert set(data.files) == {"xyz", "rgb", "instance", "instance_class", "meta"}
    assert load_scene(tmp_path / "a.npz").class_names == CLASS_NAMES


def test_compact_numbers_the_instances_without_gaps():
    scene = compact(small_scene())
    assert scene.instance.tolist() == [0, 2, 2, 1, 1, 1]
    assert scene.instance_class.tolist() == [-1, 1, 0]
    everything = compact(small_scene(instance=np.full(6, 4, np.int32)))
    assert everything.instance.tolist() == [1] * 6
    assert everything.instance_class.tolist() == [-1, 0]


def test_with_classes_goes_by_name():
    scene = small_scene().with_classes(("wall", "door"))
    assert scene.instance_class.tolist() == [-1, -1, 0, -1, -1]
    assert scene.semantic.tolist() == [-1, -1, -1, 0, 0, 0]
    assert (scene.class_name(2), scene.class_name(4)) == ("wall", "")


def test_take_keeps_all_arrays_together():
    part = small_scene().take(np.array([True, False, True, True, False, False]))
    assert part.instance.tolist() == [0, 4, 2]
    assert part.semantic.tolist() == [-1, 0, 1]
    assert len(part) == len(part.rgb) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"instance_class": np.array([-1, 0, 0, 0, 2], np.int16)},
        {"semantic": np.full(6, 2, np.int16)},
        {"semantic": np.zeros(5, np.int16)},
    ],
)
def test_scene_refuses_classes_outside_the_vocabulary(changes):
    with pytest.raises(FileFormatError):
        small_scene(**changes)
