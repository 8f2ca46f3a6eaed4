"""Figures from traces: means, clicks, precision, intervals, breakdowns, files."""

import json
from dataclasses import replace

import numpy as np
import pytest

from clickseg3d_core import ConfigError
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.agile3d_csv import read_csv
from clickseg3d_core.evaluation.bootstrap import intervals
from clickseg3d_core.evaluation.breakdown import Vocabulary
from clickseg3d_core.evaluation.curves import clicks_to_reach, curve_of, mean_iou_at
from clickseg3d_core.evaluation.precision import average_precision, class_aware_ap, success_rate
from clickseg3d_core.evaluation.protocol import protocol_named
from clickseg3d_core.evaluation.rescore import rescore
from clickseg3d_core.evaluation.results import results_of
from clickseg3d_core.evaluation.scores import score
from clickseg3d_core.evaluation.stage import Target
from clickseg3d_core.evaluation.trace import (
    EpisodeRecord,
    TraceHeader,
    header_line,
    read_trace,
    record_line,
    write_trace,
)


def record(key="a_obj_2", iou=((0.0, 0.0), (0.2, 0.6), (0.4, 0.8)), **changes):
    objects = len(iou[0])
    values = {
        "key": key,
        "scene": "a",
        "targets": tuple(
            Target(id=i + 5, class_name=("chair", "box")[i % 2], points=9, seen=3, extent=0.3 + i)
            for i in range(objects)
        ),
        "clicks": (((0.0, 0.0, 1.5), 1, 7),),
        "counts": (0, *range(objects, objects + len(iou) - 1)),
        "iou": tuple(iou),
        "recall": tuple(iou),
        "named": {objects: (("chair", 0.9, 0.5),) * objects},
        "cost": {"read_s": 0.5, "encode_s": 1.0, "segment_s": [0.1, 0.3], "user_s": 0.25,
                 "peak_mb": 100.0},
    }  # fmt: skip
    return EpisodeRecord(**{**values, **changes})


def header(*keys, kind="multi", **changes):
    values = {
        "protocol": protocol_named(f"agile3d-{kind}"),
        "data": "here",
        "method": {"name": "tiny", "model": {"class_names": ["chair", "box"]}},
        "seed": 0,
        "class_map": {},
        "keys": keys,
        "about": {},
    }
    return TraceHeader(**{**values, **changes})


def test_clicks_count_per_object_and_the_last_round_stands_for_later_ones():
    curve = curve_of(record())  # 2, then 3 clicks on 2 objects
    assert mean_iou_at([curve], 1) == pytest.approx([0.4])
    assert mean_iou_at([curve], 2) == pytest.approx([0.6])
    assert clicks_to_reach([curve], 0.5, 20).tolist() == [1.5]
    assert clicks_to_reach([curve], 0.6, 20).tolist() == [1.5]
    assert clicks_to_reach([curve], 0.7, 20).tolist() == [20.0]


def test_objects_without_points_are_left_out_of_the_mean():
    curve = curve_of(record(iou=((0.0, None), (0.5, None))))
    assert mean_iou_at([curve], 1).tolist() == [0.5]
    assert score([curve], 20, Vocabulary())["objects"] == 1
    with pytest.raises(FileFormatError, match="without any IoU"):
        curve_of(record(iou=((None, None), (0.5, 0.5))))


def test_mean_over_episodes_and_over_objects():
    curves = [curve_of(record("a_obj_1", iou=((0.0,), (1.0,)))), curve_of(record("b_obj_2"))]
    figures = score(curves, 20, Vocabulary(names=("chair", "box")))
    assert figures["iou"]["1"] == pytest.approx((1.0 + 0.4) / 2)
    assert figures["success"]["1"]["ap50"] == pytest.approx(2 / 3)
    assert figures["class_mean_iou"]["1"] == pytest.approx(((1.0 + 0.2) / 2 + 0.6) / 2)
    assert figures["class_right"]["1"] == pytest.approx(2 / 3)  # the box is called a chair
    assert figures["noc"]["50"] == pytest.approx((1 + 1.5) / 2)
    assert figures["by_objects"]["2"] == {
        "episodes": 1, "iou": {k: pytest.approx(0.4 if k == "1" else 0.6) for k in figures["iou"]}
    }  # fmt: skip
    assert figures["by_class"]["chair"]["objects"] == 2
    assert list(figures["by_size"]) == ["0.25 to 0.5 m", "1 to 2 m"]
    assert figures["curve"]["clicks"] == list(range(1, 21))


def test_figures_end_at_the_cap():
    figures = score([curve_of(record())], 3, Vocabulary())
    assert list(figures["iou"]) == ["1", "2", "3"]
    assert figures["noc"]["90"] == 3.0


def test_nothing_to_score():
    with pytest.raises(FileFormatError, match="no episode"):
        score([], 20, Vocabulary())


def test_success_rate_must_exceed_the_threshold():
    assert success_rate(np.array([0.5, 0.51, 0.2, 0.9]), 0.5) == 0.5


def test_average_precision_of_a_ranking():
    score_ = np.array([0.9, 0.8, 0.7, 0.6])
    right = np.array([True, False, True, True])
    # recall 1/4, 1/4, 2/4, 3/4 at precision 1, 1/2, 2/3, 3/4; made monotone 1, 3/4, 3/4, 3/4
    assert average_precision(score_, right, 4) == pytest.approx((1 + 0.75 + 0.75) / 4)
    # ranked from the back: right, right, wrong, right
    assert average_precision(score_[::-1], right, 3) == pytest.approx((1 + 1 + 0.75) / 3)
    assert average_precision(np.ones(4), right, 3) == pytest.approx(3 / 4)  # ties rank together
    assert average_precision(score_[:0], right[:0], 3) == 0.0


def test_class_aware_ap_needs_class_and_overlap():
    iou, scores = np.array([0.9, 0.9, 0.4]), np.array([0.9, 0.8, 0.7])
    assert class_aware_ap(["a", "b", "a"], ["a", "b", "a"], scores, iou, 0.5) == 0.75
    assert class_aware_ap(["a", "b", "a"], ["a", "a", "a"], scores, iou, 0.25) == pytest.approx(
        (0.5 * 1 + 0.5 * 2 / 3) / 2  # class b is missed and a false positive of a
    )


def test_method_names_are_matched_to_those_of_the_data():
    words = Vocabulary(names=("chair", "screen"), of_data={"television": "screen", "bed": "sofa"})
    assert [words.expected(n) for n in ("chair", "television", "bed", "tree")] == [
        "chair", "screen", "", "",
    ]  # fmt: skip


def test_intervals_cover_and_are_the_same_each_time(rng):
    values = rng.normal(0.5, 0.1, (400, 1))
    (ends,) = intervals(values, np.ones((400, 1)))
    assert ends[0] < values.mean() < ends[1]
    assert ends[1] - ends[0] == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.15)
    assert np.array_equal(intervals(values, np.ones((400, 1))), [ends])


def test_a_trace_comes_back_as_it_was(tmp_path):
    path = tmp_path / "trace.jsonl"
    write_trace(path, header("a_obj_2"), [record()])
    read, (back,) = read_trace(path)
    assert read.settings() == header("a_obj_2").settings()
    assert record_line(back) == record_line(record())
    results = results_of(read, [back])
    assert results["cost"]["click_s"] == {"count": 2, "median": 0.2, "p95": pytest.approx(0.29)}
    assert results["cost"]["total_s"] == pytest.approx(0.5 + 1.0 + 0.4 + 0.25)
    assert "keys" not in results["run"]
    json.dumps(results, allow_nan=False)


def test_a_network_without_a_class_head_has_no_class_aware_figures():
    names = ["wall", "chair"]
    for heads, wanted in ((True, True), (False, False)):
        model = {"class_names": names, "decoder": {"class_head": heads}}
        one = replace(header("a_obj_2"), method={"name": "net", "model": model})
        figures = results_of(one, [record()])["figures"]
        assert (figures["class_aware_ap"] is not None) == wanted


def test_an_object_that_was_left_out_counts_as_such():
    none = replace(record("b_obj_2"), counts=(), iou=(), recall=(), named={}, clicks=())
    figures = results_of(header("a_obj_2", "b_obj_2"), [record(), none])["figures"]
    assert (figures["episodes"], figures["left_out"]) == (1, 1)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{}"], "no first line"),
        ([header_line(header("a_obj_2")), "{broken"], "trace.jsonl:2 is no episode"),
        ([header_line(header("a_obj_2")), record_line(record()).replace("0.6", '"x"')],
         "trace.jsonl:2: 3 rounds of 2 objects"),
        ([header_line(header("a_obj_2")), record_line(record()).replace("[0, 2, 3]", "[0, 2]")],
         "trace.jsonl:2: 2 rounds of 2 objects"),
        ([header_line(header("a_obj_2"))] + 2 * [record_line(record())], "'a_obj_2' twice"),
        ([header_line(header("b", "a_obj_2")), record_line(record())],
         "lacks 1 of 2 episodes, 'b'"),
        ([header_line(header("b")), record_line(record("b")), record_line(record())],
         "'a_obj_2', which is not of this run"),
        ([header_line(header("a_obj_2")).replace("trace-1", "trace-9")],
         "reads clickseg3d-trace-1"),
    ],
)  # fmt: skip
def test_damaged_traces_say_what_is_wrong(lines, message, tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(line.rstrip("\n") for line in lines) + "\n")
    with pytest.raises(FileFormatError, match=message):
        rescore([path])


def test_a_last_line_that_was_cut_short_is_none(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text(header_line(header("a_obj_2")) + record_line(record())[:-20])
    assert read_trace(path)[1] == []
    path.write_text("")
    with pytest.raises(FileFormatError, match="empty"):
        read_trace(path)


def test_parts_of_a_run_are_scored_together(tmp_path):
    keys = ("a_obj_2", "b_obj_2")
    for name in keys:
        write_trace(tmp_path / f"{name}.jsonl", header(*keys), [record(name)])
    paths = [tmp_path / f"{name}.jsonl" for name in reversed(keys)]
    assert rescore(paths)["figures"]["episodes"] == 2
    write_trace(paths[0], header(*keys, seed=1), [record("b_obj_2")])
    with pytest.raises(ConfigError, match="different runs"):
        rescore(paths)


def test_result_files_of_agile3d(tmp_path):
    trace, csv = tmp_path / "trace.jsonl", tmp_path / "ours.csv"
    write_trace(trace, header("scene01_obj_2"), [record("scene01_obj_2")])
    figures = rescore([trace], csv)["figures"]
    rows = csv.read_text().splitlines()
    assert rows[:3] == ["0 01 2 0.0 0.0", "0 01 2 1.0 0.4", "0 01 2 1.5 0.6000000000000001"]
    assert len(rows) == 1 + 39  # 0 clicks, then 2 to 40
    from_csv = rescore([csv])["figures"]
    assert from_csv["iou"] == figures["iou"]
    assert from_csv["noc"] == figures["noc"]


def test_a_result_file_must_have_the_listed_episodes(tmp_path):
    csv = tmp_path / "r.csv"
    csv.write_text("0 01 1 0.0 0.0\n0 01 1 1.0 0.5\n")
    entry = {"clicks": {"1": [], "0": []}, "obj": {"1": 4.0}}
    (tmp_path / "val_list.json").write_text(json.dumps({"scene01_obj_1": entry}))
    assert rescore([csv], listed=tmp_path)["figures"]["iou"]["1"] == 0.5
    (tmp_path / "val_list.json").write_text(json.dumps({"scene02_obj_1": entry}))
    with pytest.raises(FileFormatError, match="lacks 1 episodes of the list"):
        rescore([csv], listed=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("0 a 1 0\n", r"r\.csv:1: a row is"),
        ("0 a 1 0 0.0\n0 a 1 1 1.5\n", r"r\.csv:2: clicks must be >= 0 and IoU in 0\.\.1"),
        ("0 a 1 0 0.0\n0 a 1 0 0.5\n", "a_obj_1 must have a row at 0 clicks"),
        ("0 a 1 0 0.0\n0 a 1 1 0.5\n0 a 1 3 0.5\n", "got 3 rows, the last at 3"),
        ("0 a 1 0 0\n0 a 1 1 0.5\n1 b 1 0 0\n1 b 1 1 0\n1 b 1 2 0\n", "got 2 rows"),
        ("0 a 1 1 0.5\n", "got 1 rows"),
        ("0 a x 0.0 0.5\n", "number of objects"),
    ],
)
def test_damaged_result_files_say_what_is_wrong(text, message, tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=message):
        read_csv(path)
