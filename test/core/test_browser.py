"""Clicking in a web browser: rays, what clicks do, and the page on a real viser server."""

import re
import socket
import subprocess
import sys
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest

from clickseg3d_core import ClickError, ClickSession, ConfigError
from clickseg3d_core.browser.desk import ClickDesk
from clickseg3d_core.browser.picking import picked
from clickseg3d_core.commands import click as command
from clickseg3d_core.io import read_cloud
from clickseg3d_core.types import PointCloud

PLANES = np.array([[x, y, z] for z in (0.0, -1.0) for x in range(-3, 4) for y in range(-3, 4)])
"""Two planes of points 1 m apart, the upper one first."""


def test_a_ray_meets_the_first_surface_and_there_the_point_nearest_to_it():
    down = np.array([0.0, 0.0, -3.0])
    row = picked(PLANES, np.array([1.1, 2.05, 5.0]), down, 0.3)
    assert PLANES[row].tolist() == [1, 2, 0]
    assert picked(PLANES, np.array([1.5, 2.5, 5.0]), down, 0.3) is None  # between points
    assert picked(PLANES, np.array([1.0, 2.0, -5.0]), down, 0.3) is None  # all lie behind
    below = picked(PLANES, np.array([1.0, 2.0, -0.5]), down, 0.3)
    assert PLANES[below].tolist() == [1, 2, -1]


def test_points_of_a_scan_with_nan_are_never_met():
    xyz = np.concatenate([[[1.0, 2.0, 1.0]], PLANES])
    xyz[0] = np.nan
    assert picked(xyz, np.array([1.0, 2.0, 5.0]), np.array([0.0, 0.0, -1.0]), 0.3) is not None


@pytest.fixture
def scan(two_boxes, tmp_path):
    cloud, ids = two_boxes
    path = tmp_path / "scan.npz"
    np.savez(path, xyz=cloud.xyz, rgb=cloud.rgb)
    return path, cloud, ids


@pytest.fixture
def desk(scan, tiny_segmenter, tmp_path):
    file = read_cloud(scan[0])
    encoding = tiny_segmenter.encode(PointCloud(file.cloud.xyz, file.cloud.rgb))
    return ClickDesk(file, tiny_segmenter, encoding, ClickSession(), tmp_path / "clicks.json")


def test_clicks_mark_current_new_and_background(desk):
    desk.click(10)
    desk.click(20)
    desk.click(900, "new")
    desk.click(30, "background")
    desk.click(910)
    assert desk.session.clicks.object_ids.tolist() == [1, 1, 2, 0, 2]
    np.testing.assert_allclose(desk.session.clicks.positions[2], desk.file.cloud.xyz[900])
    assert (desk.labels == desk.result.labels).all()
    desk.undo()
    assert len(desk.session) == 4
    desk.redo()
    assert len(desk.session) == 5
    desk.select(1)
    desk.remove(1)
    assert desk.session.object_ids == (2,)
    desk.remove(7)  # no such object


def test_clicks_are_kept_after_every_action_and_a_failed_one_is_taken_back(desk, monkeypatch):
    desk.click(10)
    assert len(ClickSession.load(desk._kept)) == 1

    def fails(encoding, clicks):
        raise ClickError("too far")

    monkeypatch.setattr(desk, "_segmenter", type("S", (), {"segment": staticmethod(fails)}))
    with pytest.raises(ClickError, match="too far"):
        desk.click(20)
    assert len(desk.session) == 1
    assert len(ClickSession.load(desk._kept)) == 1


def test_nothing_is_saved_before_a_click(desk, tmp_path):
    with pytest.raises(ClickError, match="no object was clicked"):
        desk.save(tmp_path / "out.ply")
    assert not (tmp_path / "out.ply").exists()
    assert not desk.labels.any()


@pytest.fixture
def server():
    viser = pytest.importorskip("viser", reason="viser is optional")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = viser.ViserServer(host="127.0.0.1", port=port, verbose=False)
    yield made
    made.stop()


def test_a_click_on_the_page_marks_the_point_under_it_and_save_writes_all_points(
    server, scan, tmp_path
):
    path, cloud, _ = scan
    page = command.opened(server, path, tmp_path / "out.ply", device="cpu")
    target = page._xyz[int(np.argmax(page._xyz[:, 2]))]
    page.click(target + [0.0, 0.0, 3.0], np.array([0.0, 0.0, -1.0]), "current")
    clicked = page.desk.session.clicks.positions[0]
    assert np.linalg.norm(clicked - (target + page._center) @ page._upright) < 2 * page._size
    page.click(target + [0.0, 0.0, 3.0], np.array([0.0, 0.0, 1.0]), "current")  # into the sky
    assert len(page.desk.session) == 1
    assert page._object.value.startswith("1")
    page._do(page._save)
    assert "saved" in page._note.content
    written = read_cloud(tmp_path / "out.ply")
    assert len(written.cloud) == len(cloud)
    assert (written.fields["instance"] == page.desk.labels).all()
    again = command.opened(server, path, tmp_path / "out.ply", device="cpu")
    assert len(again.desk.session) == 1  # goes on where it was


def test_what_is_hidden_is_not_clicked(server, scan, tmp_path):
    page = command.opened(server, scan[0], tmp_path / "out.ply", device="cpu")
    top = page._xyz[int(np.argmax(page._xyz[:, 2]))]
    shown = page._top.value
    page._top.value = float(page._xyz[:, 2].min()) - 1.0
    page.click(top + [0.0, 0.0, 3.0], np.array([0.0, 0.0, -1.0]), "current")
    assert len(page.desk.session) == 0
    page._top.value = shown
    page.click(top + [0.0, 0.0, 3.0], np.array([0.0, 0.0, -1.0]), "current")
    assert len(page.desk.session) == 1


def test_keys_held_at_a_click_say_whose_it_is(server, scan, tmp_path, monkeypatch):
    acts = {}
    monkeypatch.setattr(
        server.scene, "on_click", lambda *, modifier: lambda act: acts.update({modifier: act})
    )
    page = command.opened(server, scan[0], tmp_path / "out.ply", device="cpu")
    top = page._xyz[int(np.argmax(page._xyz[:, 2]))]
    event = SimpleNamespace(ray_origin=tuple(top + [0.0, 0.0, 3.0]), ray_direction=(0.0, 0.0, -1.0))
    for modifier in (None, "shift", "cmd/ctrl", None):
        acts[modifier](event)
    assert page.desk.session.clicks.object_ids.tolist() == [1, 2, 0, 2]


def test_an_error_is_said_on_the_page(server, scan, tmp_path):
    page = command.opened(server, scan[0], tmp_path / "out.ply", device="cpu")
    page._do(page._save)
    assert "no object was clicked" in page._note.content


def test_the_command_serves_a_page_until_it_is_interrupted(scan, tmp_path):
    pytest.importorskip("viser", reason="viser is optional")
    code = "from clickseg3d_core.cli import main; main()"
    out = tmp_path / "out.ply"
    line = [sys.executable, "-c", code, "click", str(scan[0]), "-o", str(out), "--device", "cpu"]
    running = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        said = next(text for text in running.stdout if "open http" in text)
        address = re.search(r"http://127\.0\.0\.1:\d+", said).group()
        with urllib.request.urlopen(address, timeout=20) as page:
            assert b"<html" in page.read().lower()
        running.terminate()  # Ctrl-C is ignored by what was started in the background
        assert running.wait(timeout=30) == 0
    finally:
        running.kill()
    assert "0 clicks" in said
    assert not out.exists()


def test_without_viser_the_command_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(ConfigError, match=r"pip install 'clickseg3d\[browser\]'"):
        command._server("127.0.0.1", 8080)
