import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml

from clickseg3d_core import ConfigError, cli
from clickseg3d_core.ablation.measure import MeasureConfig, choose_episodes
from clickseg3d_core.ablation.run import Budget, run_study
from clickseg3d_core.ablation.study import Row, Study, read_study, row_config
from clickseg3d_core.ablation.table import Measurement, _entry, _markdown
from clickseg3d_core.config import load_yaml
from clickseg3d_core.data.scene import Scene, save_scene
from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.evaluation.results import read_results
from clickseg3d_core.model.decoder_config import DecoderConfig
from clickseg3d_core.report.measured import read_measured
from clickseg3d_core.report.published import published_tables
from clickseg3d_core.report.tables import ablation_table

SHIPPED = ("table4", "recipe", "fig5", "fig6", "baselines")


def boxes(number: int) -> Scene:
    """A floor and three boxes of random points."""
    rng = np.random.default_rng(number)
    parts = [rng.uniform((-1, -1, 0), (1, 1, 0), (1200, 3))]
    parts += [rng.uniform(-0.15, 0.15, (300, 3)) + (x, 0, 0.15) for x in (-0.6, 0.0, 0.6)]
    return Scene(
        xyz=np.concatenate(parts).astype(np.float32),
        rgb=rng.integers(0, 256, (2100, 3)).astype(np.uint8),
        instance=np.repeat([1, 2, 3, 4], [1200, 300, 300, 300]).astype(np.int32),
        instance_class=np.array([-1, 1, 19, 19, 2], np.int16),
    )


@pytest.fixture
def study_file(tmp_path, config_folder) -> Path:
    """Four rows, one of which is another under a new label; scenes in data/ and validation/."""
    for folder, numbers in (("data", (0, 1)), ("validation", (2, 3, 4))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            save_scene(boxes(number), tmp_path / folder / f"{number}.npz")
    values = {
        "title": "a test",
        "config": str(config_folder / "train" / "tiny.yaml"),
        "reference": "full",
        "changes": ["max_voxels=500", "accelerator=cpu", "clicks.single_episodes=1"],
        "rows": [
            {"name": "full", "label": "Point V3 Encoder", "settings": ["queries=50"]},
            {"name": "no_mask", "label": "w/o Mask Head",
             "changes": ["model_settings.decoder.mask_head=false"]},
            {"name": "no_class", "label": "w/o Class Head",
             "changes": ["model_settings.decoder.class_head=false"]},
            {"name": "again", "label": "Farthest Point Sampling", "same_as": "full"},
        ],
    }  # fmt: skip
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def budget_of(study_file: Path, **changes) -> Budget:
    values = {
        "data": study_file.parent / "data",
        "validation": study_file.parent / "validation",
        "steps": 2,
        "measure": MeasureConfig(scenes=2, objects=2, clicks=1),
        **changes,
    }
    return Budget(**values)


def test_study_goes_on_where_it_stopped_and_writes_the_table(study_file, tmp_path):
    study, out = read_study(study_file), tmp_path / "out"

    def stop(what, done, total):
        if what.startswith("2/2") and "training" in what and done == 1:
            raise KeyboardInterrupt

    budget = budget_of(study_file)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, budget, out, names=["full", "no_mask"], report=stop)
    table = json.loads((out / "table.json").read_text())
    assert [row["name"] for row in table["rows"]] == ["full"]
    assert table["missing"] == ["no_mask", "no_class", "again"]
    trained = (out / "rows" / "full" / "run" / "checkpoint" / "model.safetensors").stat()

    said = []
    files = run_study(study, budget, out, report=lambda what, *_: said.append(what))
    assert not any("Point V3 Encoder" in what for what in said)
    assert any("w/o Mask Head: training" in what for what in said)
    again = (out / "rows" / "full" / "run" / "checkpoint" / "model.safetensors").stat()
    assert again.st_mtime_ns == trained.st_mtime_ns
    assert not (out / "rows" / "again" / "run").exists()
    assert [path.name for path in files] == ["table.json", "table.md"]

    table = json.loads(files[0].read_text())
    rows = {row["name"]: row for row in table["rows"]}
    assert list(rows) == ["full", "no_mask", "no_class", "again"]
    assert table["missing"] == []
    assert "difference" not in rows["full"]
    for name in ("iou@1", "miou", "macc", "ap50"):
        assert 0.0 <= rows["full"][name] <= 1.0
        assert rows["again"]["difference"][name] == 0.0
        apart = rows["no_mask"][name] - rows["full"][name]
        assert rows["no_mask"]["difference"][name] == pytest.approx(apart)
    assert rows["full"]["iou@3"] is None  # at one click per object there is none
    assert rows["no_class"]["class"] is None
    assert rows["no_mask"]["parameters"] < rows["full"]["parameters"]
    assert all(row["steps"] == 2 and row["step_s"] > 0 for row in rows.values())
    single = read_results(out / "rows" / "full" / "single")["figures"]
    assert single["episodes"] == 4  # two scenes, two objects each
    assert "| w/o Mask Head" in files[1].read_text()
    assert "up to 2 nearby objects" in files[1].read_text()

    folders = [out / "rows" / name / "multi" for name in ("full", "no_mask", "again")]
    report = ablation_table(published_tables()["table4"], read_measured(folders))
    assert report.count("measured") == 3
    assert read_measured(folders[:1])[0].settings == {"queries": 50.0}

    with pytest.raises(ConfigError, match="steps is 3 now and was 2"):
        run_study(study, budget_of(study_file, steps=3), out)
    assert "Sampling" in (out / "table.md").read_text()


def test_row_of_another_training_is_not_taken_for_this_one(study_file, tmp_path):
    run_study(read_study(study_file), budget_of(study_file), tmp_path / "out", names=["full"])
    values = yaml.safe_load(study_file.read_text())
    values["changes"].append("learning_rate=0.5")
    study_file.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=r"training.learning_rate is 0.5 now and was 0.001"):
        run_study(read_study(study_file), budget_of(study_file), tmp_path / "out", names=["full"])


def test_mistake_in_the_last_row_is_found_first(study_file, tmp_path):
    values = yaml.safe_load(study_file.read_text())
    values["rows"][2]["changes"] = ["model_settings.decoder.clas_head=false"]
    study_file.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=r"row no_class: .*clas_head"):
        run_study(read_study(study_file), budget_of(study_file), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_row_wins_over_common_changes_and_the_budget_over_rows(study_file):
    study = read_study(study_file)
    budget = budget_of(study_file, changes=("model_settings.decoder.mask_head=true", "steps=9",
                                            "seed=5"))  # fmt: skip
    _, config, model = row_config(study, study.rows[1], budget.changes, budget.fixed)
    assert not model.decoder.mask_head
    assert (config.steps, config.seed, config.validation) == (2, 5, None)
    assert config.scenes == study_file.parent / "data"


def test_study_runs_in_one_process(study_file, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="--rows"):
        run_study(read_study(study_file), budget_of(study_file), tmp_path / "out")


def row(name: str, **values) -> Row:
    return Row(name=name, label=name, **values)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((row("a"), row("a")), "unique"),
        ((row("a"), row("B/c")), "a-z, 0-9 and _, got B/c"),
        ((row("b"),), "reference and same_as must be one of b, got 'a'"),
        ((row("a"), row("b", same_as="c")), "got 'c'"),
    ],
)
def test_impossible_studies_raise_config_error(rows, message):
    with pytest.raises(ConfigError, match=message):
        Study(title="t", config=Path("c.yaml"), reference="a", rows=rows)


def test_impossible_rows_raise_config_error():
    with pytest.raises(ConfigError, match="name=number, got 'queries'"):
        row("a", settings=("queries",))
    with pytest.raises(ConfigError, match="without changes"):
        row("a", same_as="b", changes=("steps=3",))
    study = Study(title="t", config=Path("c.yaml"), reference="a", rows=(row("a"),))
    with pytest.raises(ConfigError, match="no row 'z'; there are a"):
        study.only(["z"])


def test_folder_without_large_objects_raises_config_error(tmp_path):
    scene = boxes(0)
    save_scene(scene.take(np.arange(0, 2100, 100)), tmp_path / "a.npz")
    with pytest.raises(FileFormatError, match="no single episode"):
        choose_episodes(tmp_path, MeasureConfig())


def measurement(name: str, iou: float, alone: dict[str, float]) -> Measurement:
    figures = {"iou@1": iou, "iou@3": None, "miou": 0.5, "macc": 0.5, "ap50": 0.5, "class": None}
    return Measurement(row=row(name), figures=figures, alone=alone, parameters=1_500_000,
                       steps=10, step_s=0.25, clicks=20.0)  # fmt: skip


def test_difference_has_an_interval_over_the_same_objects():
    keys = [f"s_obj_{i}" for i in range(50)]
    rng = np.random.default_rng(0)
    base = rng.uniform(0.3, 0.9, 50)
    reference = measurement("full", 0.6, dict(zip(keys, base, strict=True)))
    shifted = dict(zip(keys, base - 0.1 + rng.normal(0, 0.02, 50), strict=True))
    entry = _entry(measurement("less", 0.5, {**shifted, "only here": 0.0}), reference)
    low, high = entry["difference95"]
    assert -0.11 < low < -0.1 < high < -0.09
    text = _markdown("t", [_entry(reference, reference), entry], ["gone"], 10)
    assert "| 50.0 (-10.0)" in text
    assert "-10." in text.split("less")[1].split("|")[7]
    assert "Not there yet: gone." in text


@pytest.mark.parametrize("name", SHIPPED)
def test_every_row_of_the_shipped_studies_makes_a_config(name, config_folder):
    study = read_study(config_folder / "ablation" / f"{name}.yaml")
    models = []
    for own in study.rows:
        if own.same_as is None:
            _, config, model = row_config(study, own, [], ["scenes=x"])
            models.append((config.clicks, config.loss, config.auxiliary, config.augment,
                           config.freeze_norm, config.ema, config.optimizer, model))  # fmt: skip
    assert len(set(models)) == len(models)  # no two rows train the same thing


def test_table_4_has_the_rows_of_the_paper(config_folder):
    study = read_study(config_folder / "ablation" / "table4.yaml")
    assert [r.label for r in study.rows] == [r["row"] for r in published_tables()["table4"]]


OF_THE_PAPER = {
    "semantic_embedding", "spatial_embedding", "class_head", "mask_head", "query_adaptor",
    "fourier_encoding",
}  # fmt: skip
"""Switches of the decoder that the paper has; all others are ours."""


@pytest.mark.parametrize("name", ["table4", "fig5", "fig6"])
def test_studies_of_the_paper_have_nothing_of_ours_in_the_decoder(config_folder, name):
    study = read_study(config_folder / "ablation" / f"{name}.yaml")
    decoder = row_config(study, study.rows[0], [], ["scenes=x"])[2].decoder
    ours = {f.name for f in fields(DecoderConfig) if f.type == "bool"} - OF_THE_PAPER
    assert {switch for switch in ours if getattr(decoder, switch)} == set()


def test_recipe_has_a_row_for_every_switch_of_the_decoder(config_folder):
    study = read_study(config_folder / "ablation" / "recipe.yaml")
    changes = {change for r in study.rows for change in r.changes}
    ours = load_yaml(config_folder / "model" / "small.yaml")["decoder"]
    for field in fields(DecoderConfig):
        if field.type == "bool":
            other = not ours.get(field.name, field.default)
            assert f"model_settings.decoder.{field.name}={str(other).lower()}" in changes


def test_command_prints_the_table(study_file, tmp_path, capsys):
    folder = study_file.parent
    with pytest.raises(SystemExit) as stopped:
        cli.main(["ablate", str(study_file), "--data", str(folder / "data"), "--validation",
                  str(folder / "validation"), "--rows", "full", "--steps", "1", "--scenes", "1",
                  "--objects", "1", "--clicks", "1", "-o", str(tmp_path / "out")])  # fmt: skip
    assert not stopped.value.code
    printed = capsys.readouterr().out
    assert "# a test" in printed
    assert "Point V3 Encoder" in printed
    assert f"wrote {tmp_path / 'out' / 'table.md'}" in printed.replace("\n", "")
