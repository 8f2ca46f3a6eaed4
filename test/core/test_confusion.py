"""The confusion table."""

from __future__ import annotations

from clickseg3d_core.evaluation.confusion import confusion_lines


def test_every_given_name_is_counted_and_frequent_classes_come_first() -> None:
    pairs = [("cup", "cup"), ("door", "wall"), ("door", "door"), ("door", ""), ("door", "wall")]
    assert confusion_lines(pairs)[2:] == [
        "| door | 4 | 0.25 | wall 2, nothing 1 |",
        "| cup | 1 | 1.00 | - |",
        "| all | 5 | 0.40 | |",
    ]


def test_no_objects_give_an_empty_table() -> None:
    assert confusion_lines([])[2:] == ["| all | 0 | 0.00 | |"]
