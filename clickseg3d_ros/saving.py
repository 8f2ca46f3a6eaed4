"""Writes a session to disk."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

from clickseg3d_core.errors import FileFormatError
from clickseg3d_core.io import CloudFile, write_cloud
from clickseg3d_core.session import ClickSession
from clickseg3d_ros.scene import View


def save_session(directory: Path, view: View, session: ClickSession) -> Path:
    """Write session.json, segmented.ply and header.json into a new folder, or nothing at all.

    Args:
        directory: Folder in which the new one is made.
        view: What the node shows.
        session: With positions in the frame of the cloud.

    Returns:
        The new folder.

    Raises:
        FileFormatError: if it cannot be written.
    """
    folder = directory.expanduser() / datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f")
    unfinished = folder.with_name(f".{folder.name}")
    try:
        unfinished.mkdir(parents=True)
        _write(unfinished, view, session)
        unfinished.rename(folder)
    except OSError as error:
        raise FileFormatError(f"folder {folder} cannot be written ({error})") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _write(folder: Path, view: View, session: ClickSession) -> None:
    header = view.scene.header
    stamp = {"sec": header.stamp.sec, "nanosec": header.stamp.nanosec}
    facts = {"frame_id": header.frame_id, "stamp": stamp}
    (folder / "header.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    session.save(folder / "session.json")
    path = folder / "segmented.ply"
    write_cloud(path, CloudFile(cloud=view.scene.cloud, path=path), view.segmentation)
