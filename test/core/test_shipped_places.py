"""The weights that come with the package, in rooms and streets made for this test."""

import numpy as np
import pytest

from clickseg3d_core.classes import CLASS_NAMES
from clickseg3d_core.evaluation.single_object import ObjectRecord, evaluate_scene
from clickseg3d_core.evaluation.together import evaluate_together
from clickseg3d_core.simulation.generate import simulate_scene

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def places(shipped) -> dict[str, tuple[list[ObjectRecord], list[float]]]:
    """Per kind of place: objects clicked twice each, and IoUs of all objects clicked at once."""
    found = {}
    for kind in ("room", "street"):
        scenes = [simulate_scene(kind, np.random.default_rng([4711, i]), None) for i in range(3)]
        alone = [r for s in scenes for r in evaluate_scene(shipped, s, clicks=2, max_objects=12)]
        found[kind] = alone, [v for s in scenes for v in evaluate_together(shipped, s).values()]
    return found


@pytest.mark.parametrize(("kind", "first", "second"), [("room", 0.6, 0.75), ("street", 0.75, 0.76)])
def test_objects_of_made_up_places(places, kind, first, second):
    ious = np.mean([record.ious for record in places[kind][0]], axis=0)
    assert ious[0] > first
    assert ious[1] > max(second, ious[0])


@pytest.mark.parametrize(("kind", "least"), [("room", 0.58), ("street", 0.8)])
def test_all_objects_of_made_up_places_at_once(places, kind, least):
    assert np.mean(places[kind][1]) > least


@pytest.mark.parametrize(("kind", "least"), [("room", 0.2), ("street", 0.65)])
def test_objects_of_made_up_places_are_named(places, kind, least):
    known = [record for record in places[kind][0] if record.class_id >= 0]
    right = np.mean([CLASS_NAMES[r.class_id] == r.predicted_class for r in known])
    assert len(known) > 20
    assert right > least
