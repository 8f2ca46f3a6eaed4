import itertools
import json

import numpy as np
import pytest

from clickseg3d_core.errors import ClickError, FileFormatError
from clickseg3d_core.session import ClickSession


def owners(session: ClickSession) -> list[int]:
    return session.clicks.object_ids.tolist()


def test_new_session_marks_object_one_and_has_no_clicks():
    session = ClickSession()
    assert session.current_object == 1
    assert session.clicks.positions.shape == (0, 3)
    assert session.object_ids == ()
    assert not session.can_undo
    assert session.undo() is False
    assert session.redo() is False


def test_clicks_go_to_the_current_object_and_an_id_makes_it_current():
    session = ClickSession()
    assert session.add((1, 2, 3)) == 0
    assert session.new_object() == 2
    session.add((4, 5, 6))
    assert session.add(np.array([7.0, 8.0, 9.0]), np.int64(5)) == 2
    session.add((0, 0, 0))
    assert owners(session) == [1, 2, 5, 5]
    np.testing.assert_array_equal(session.clicks.positions[1], (4, 5, 6))
    assert session.object_ids == (1, 2, 5)
    assert session.new_object() == 6


def test_background_click_does_not_change_the_current_object():
    session = ClickSession()
    session.add((0, 0, 0), 3)
    session.add((1, 1, 1), 0)
    assert session.current_object == 3
    assert session.object_ids == (3,)


def test_undo_and_redo_cover_every_action():
    session = ClickSession()
    actions = [
        lambda: session.add((0, 0, 0)),
        lambda: session.new_object(),
        lambda: session.add((1, 1, 1)),
        lambda: session.select_object(0),
        lambda: session.add((2, 2, 2)),
        lambda: session.move_click(0, 2),
        lambda: session.remove_object(2),
        lambda: session.clear(),
    ]
    states = [session.state]
    for action in actions:
        action()
        states.append(session.state)
    assert all(a != b for a, b in itertools.pairwise(states))
    for expected in reversed(states[:-1]):
        assert session.undo()
        assert session.state == expected
    assert not session.can_undo
    for expected in states[1:]:
        assert session.redo()
        assert session.state == expected
    assert not session.can_redo


def test_new_action_forgets_what_was_undone():
    session = ClickSession()
    session.add((0, 0, 0))
    session.undo()
    session.add((9, 9, 9))
    assert not session.can_redo
    assert session.clicks.positions.tolist() == [[9, 9, 9]]


def test_action_without_effect_is_no_step_of_undo():
    session = ClickSession()
    session.add((0, 0, 0))
    session.select_object(1)
    session.move_click(0, 1)
    session.undo()
    assert len(session) == 0


def test_move_click_keeps_position_and_order():
    session = ClickSession()
    session.add((0, 0, 0))
    session.add((1, 1, 1))
    session.move_click(0, 7)
    assert owners(session) == [7, 1]
    assert session.clicks.positions[0].tolist() == [0, 0, 0]


def test_remove_object_takes_its_clicks_only():
    session = ClickSession()
    for object_id in (1, 2, 1, 0):
        session.add((object_id, 0, 0), object_id)
    session.remove_object(1)
    assert owners(session) == [2, 0]
    with pytest.raises(ClickError, match="object 1 has no clicks"):
        session.remove_object(1)


def test_clicks_once_read_do_not_change():
    session = ClickSession()
    session.add((0, 0, 0))
    before = session.clicks
    session.add((1, 1, 1))
    assert len(before) == 1


@pytest.mark.parametrize(
    "position", [(1, 2), (1, 2, 3, 4), "123", (1, 2, "a"), (0, 0, float("nan")), (10**400, 0, 0), 5]
)
def test_bad_position_is_refused_and_changes_nothing(position):
    session = ClickSession()
    with pytest.raises(ClickError):
        session.add(position)
    assert len(session) == 0
    assert not session.can_undo


@pytest.mark.parametrize("object_id", [-1, 1.0, "1", True, 2**31])
def test_bad_id_is_refused(object_id):
    session = ClickSession()
    session.add((0, 0, 0))
    for action in (lambda: session.add((0, 0, 0), object_id),
                   lambda: session.select_object(object_id),
                   lambda: session.move_click(0, object_id)):  # fmt: skip
        with pytest.raises(ClickError, match="object id"):
            action()
    assert len(session) == 1


@pytest.mark.parametrize("index", [-1, 1])
def test_click_that_does_not_exist_cannot_be_moved(index):
    session = ClickSession()
    session.add((0, 0, 0))
    with pytest.raises(ClickError, match=r"click index must be 0\.\.0"):
        session.move_click(index, 2)


def test_saved_session_comes_back(tmp_path):
    session = ClickSession()
    session.add((0.1, -2.5, 1e-9))
    session.add((3, 4, 5), 0)
    session.select_object(4)
    path = tmp_path / "clicks.json"
    session.save(path)
    assert ClickSession.load(path).state == session.state
    assert ClickSession.from_json(session.to_json()).state == session.state
    assert [p.name for p in tmp_path.iterdir()] == ["clicks.json"]
    assert json.loads(path.read_text())["version"] == 1


def edited(**changes) -> str:
    session = ClickSession()
    session.add((1, 2, 3))
    return json.dumps({**json.loads(session.to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("{", FileFormatError, "no valid JSON"),
        ("[]", FileFormatError, "must be a JSON object, got list"),
        (edited(version=2), FileFormatError, "version must be 1, got 2"),
        (edited(version=True), FileFormatError, "version must be 1"),
        (edited(extra=1), FileFormatError, "keys"),
        (edited(clicks={}), FileFormatError, "clicks must be a list"),
        (edited(clicks=[{"position": [1, 2, 3]}]), FileFormatError, "keys"),
        (edited(clicks=[{"position": [1, 2], "object_id": 1}]), ClickError, "three numbers"),
        (edited(clicks=[{"position": ["1", 2, 3], "object_id": 1}]), ClickError, "three numbers"),
        (edited(clicks=[{"position": [1, 2, 3], "object_id": 1.5}]), ClickError, "integer"),
        (edited(current_object=-1), ClickError, "object id"),
        (edited(clicks=[{"position": [1, 2, float("nan")], "object_id": 1}]), ClickError, "finite"),
    ],
)
def test_damaged_session_is_refused(text, error, message, tmp_path):
    with pytest.raises(error, match=message):
        ClickSession.from_json(text)
    path = tmp_path / "damaged.json"
    path.write_text(text)
    with pytest.raises(error, match=r"damaged\.json"):
        ClickSession.load(path)


def test_missing_and_unwritable_paths_say_so(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read"):
        ClickSession.load(tmp_path / "none.json")
    with pytest.raises(FileFormatError, match="cannot be written"):
        ClickSession().save(tmp_path / "none" / "a.json")
