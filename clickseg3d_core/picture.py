"""A picture of a scan, the clicks and the answer, to be judged at a glance."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from clickseg3d_core.atomic import replacing
from clickseg3d_core.errors import CloudError
from clickseg3d_core.splat import (
    BACKDROP,
    Colors,
    FloatArray,
    Frame,
    View,
    choose_view,
    cutaway,
    fit_frame,
    is_room,
    splat,
)
from clickseg3d_core.types import BACKGROUND_ID, Clicks, PointCloud, Segmentation

_PALETTE = np.array(
    [
        (230, 60, 60), (60, 140, 245), (70, 195, 85), (250, 175, 40), (165, 90, 230),
        (40, 205, 205), (240, 110, 190), (165, 200, 40), (160, 100, 55), (120, 130, 255),
        (255, 125, 85), (20, 150, 115),
    ],
    dtype=np.uint8,
)  # fmt: skip
_HEIGHT_COLORS = np.array(
    [(58, 76, 140), (45, 130, 150), (95, 180, 120), (190, 205, 110), (245, 225, 150)], float
)
_HEADER = 34
_GAP = 6
_TEXT = (240, 240, 242)
_GREY = (150, 152, 158)
Color = tuple[int, int, int]


def object_colors(object_ids: list[int]) -> dict[int, Color]:
    """A distinct color for each object, in the order of their ids; background clicks are grey."""
    ids = [i for i in sorted(set(object_ids)) if i != BACKGROUND_ID]
    colors: dict[int, Color] = {BACKGROUND_ID: _GREY}
    for number, object_id in enumerate(ids):
        if number < len(_PALETTE):
            red, green, blue = (int(v) for v in _PALETTE[number])
        else:
            hue = number * 0.6180339887 % 1.0  # the golden ratio spreads hues evenly
            shade = colorsys.hsv_to_rgb(hue, (0.55, 0.9)[number % 2], (0.95, 0.7, 0.82)[number % 3])
            red, green, blue = (round(255 * v) for v in shade)
        colors[object_id] = (red, green, blue)
    return colors


def draw(
    cloud: PointCloud,
    clicks: Clicks,
    result: Segmentation,
    path: Path | str,
    size: tuple[int, int] = (1280, 800),
) -> None:
    """Draw a PNG: left the scan with the clicks, right the segmented objects and a legend.

    The view is chosen so that little is hidden; ceilings and near walls of rooms are taken off.

    Args:
        cloud: N points, z up for a good view.
        clicks: K clicks in the frame of the cloud.
        result: Segmentation of this cloud.
        path: Where to write.
        size: Width and height in pixels, at least 320 x 200.

    Raises:
        CloudError: if the result belongs to another cloud or the size is too small.
        FileFormatError: if the file cannot be written.
    """
    if len(result.labels) != len(cloud):
        raise CloudError(f"result has {len(result.labels)} labels, the cloud {len(cloud)} points")
    _check_size(size)
    finite = np.isfinite(cloud.xyz).all(axis=1)
    xyz, labels = cloud.xyz[finite], result.labels[finite]
    base = base_colors(xyz, None if cloud.rgb is None else cloud.rgb[finite])
    colors = object_colors([*clicks.object_ids.tolist(), *np.unique(labels).tolist()])
    focus = np.concatenate([xyz[labels != BACKGROUND_ID], clicks.positions])
    view, shown = _view_and_shown(xyz, focus, labels != BACKGROUND_ID)
    width = (size[0] - _GAP) // 2
    projected = view.project(xyz[shown])
    frame = fit_frame(projected, view.project(focus), width, size[1] - _HEADER)
    left = Image.fromarray(splat(projected, base[shown], frame))
    right = Image.fromarray(splat(projected, tinted(base, labels, colors)[shown], frame))
    _draw_clicks(left, clicks, colors, view, frame)
    _draw_clicks(right, clicks, colors, view, frame, radius=4, with_ids=False)
    _draw_legend(right, result, colors)
    note = "" if shown.all() else "   (ceiling and near walls taken off)"
    titles = (f"scan, {len(cloud):,} points, {len(clicks)} clicks{note}", "segmentation")
    _save(_side_by_side((left, right), titles, size), path)


def draw_cloud(
    xyz: NDArray[np.floating],
    rgb: NDArray[np.uint8] | None,
    path: Path | str,
    *,
    labels: NDArray[np.integer] | None = None,
    colors: Mapping[int, Color] | None = None,
    size: tuple[int, int] = (960, 720),
    title: str = "",
) -> None:
    """Draw one PNG of a cloud, for looking at data.

    Args:
        xyz: (N, 3) metres, z up; rows with NaN are left out.
        rgb: (N, 3) uint8, or None to color by height.
        path: Where to write.
        labels: (N,) object ids to tint, 0 = none.
        colors: Red, green and blue of 0..255 for each id; None gives the ids distinct ones.
        size: Width and height in pixels, at least 320 x 200.
        title: Text above the picture.

    Raises:
        CloudError: if no point is finite or the size is too small.
        FileFormatError: if the file cannot be written.
    """
    _check_size(size)
    cloud = PointCloud(np.asarray(xyz, dtype=np.float64), rgb)
    finite = np.isfinite(cloud.xyz).all(axis=1)
    points = cloud.xyz[finite]
    drawn = base_colors(points, None if cloud.rgb is None else cloud.rgb[finite])
    marked = np.zeros(len(points), dtype=bool)
    if labels is not None:
        given = np.asarray(labels)[finite]
        marked = given != BACKGROUND_ID
        drawn = tinted(drawn, given, colors or object_colors(np.unique(given).tolist()))
    view, shown = _view_and_shown(points, points[marked], marked)
    projected = view.project(points[shown])
    frame = fit_frame(projected, np.empty((0, 3)), size[0], size[1] - _HEADER)
    panel = Image.fromarray(splat(projected, drawn[shown], frame))
    _save(_side_by_side((panel,), (title,), size), path)


def _check_size(size: tuple[int, int]) -> None:
    if size[0] < 320 or size[1] < 200:
        raise CloudError(f"a picture needs at least 320 x 200 pixels, got {size[0]} x {size[1]}")


def _view_and_shown(
    xyz: FloatArray, focus: FloatArray, marked: NDArray[np.bool_]
) -> tuple[View, NDArray[np.bool_]]:
    if not is_room(xyz):
        return choose_view(xyz, focus), np.ones(len(xyz), dtype=bool)
    low, high = np.percentile(xyz, [1.0, 99.0], axis=0)
    open_top = xyz[:, 2] < high[2] - 0.12 * (high[2] - low[2])
    view = choose_view(xyz[open_top], focus, room=True)
    return view, cutaway(xyz, view) | marked


def base_colors(xyz: FloatArray, rgb: Colors | None) -> Colors:
    """(N, 3) uint8 colors of a scan, brightened if it is dark; by height without rgb.

    Args:
        xyz: (N, 3) float64, finite, metres, z up.
        rgb: (N, 3) uint8 or None.
    """
    if rgb is not None:
        bright = float(np.percentile(rgb.max(axis=1), 95))
        gain = np.clip(235.0 / max(bright, 1.0), 1.0, 2.0)
        brightened: Colors = np.clip(rgb * gain + 8.0, 0, 255).astype(np.uint8)
        return brightened
    low, high = np.percentile(xyz[:, 2], [1.0, 99.0])
    height = np.clip((xyz[:, 2] - low) / max(high - low, 1e-9), 0.0, 1.0)
    stops = np.linspace(0.0, 1.0, len(_HEIGHT_COLORS))
    channels = [np.interp(height, stops, _HEIGHT_COLORS[:, c]) for c in range(3)]
    return np.stack(channels, axis=1).astype(np.uint8)


def tinted(base: Colors, labels: NDArray[np.integer], colors: Mapping[int, Color]) -> Colors:
    """(N, 3) uint8: objects in their colors, the rest in grey.

    Args:
        base: (N, 3) uint8 of the scan.
        labels: (N,) object ids, 0 = none.
        colors: Of each id.
    """
    luma = base.astype(np.float64) @ (0.299, 0.587, 0.114)
    image = np.repeat((70.0 + 0.5 * luma)[:, None], 3, axis=1)
    for object_id in np.unique(labels).tolist():
        if object_id != BACKGROUND_ID:
            rows = labels == object_id
            tone = 0.75 + 0.25 * luma[rows, None] / 255.0
            image[rows] = np.array(colors[object_id]) * tone
    return np.clip(image, 0, 255).astype(np.uint8)


def _draw_clicks(
    image: Image.Image,
    clicks: Clicks,
    colors: Mapping[int, Color],
    view: View,
    frame: Frame,
    *,
    radius: int = 7,
    with_ids: bool = True,
) -> None:
    canvas = ImageDraw.Draw(image)
    pixels = frame.pixels(view.project(clicks.positions)).tolist() if len(clicks) else []
    for (x, y), object_id in zip(pixels, clicks.object_ids.tolist(), strict=True):
        for grown, color in ((3, (0, 0, 0)), (2, (255, 255, 255)), (0, colors[object_id])):
            reach = radius + grown
            canvas.ellipse((x - reach, y - reach, x + reach, y + reach), fill=color)
        if with_ids:
            canvas.text(
                (x + radius + 4, y - radius - 4), str(object_id) if object_id else "bg",
                fill=(255, 255, 255), stroke_width=3, stroke_fill=(0, 0, 0), anchor="lm",
                font=ImageFont.load_default(17),
            )  # fmt: skip


def _draw_legend(image: Image.Image, result: Segmentation, colors: Mapping[int, Color]) -> None:
    font, line = ImageFont.load_default(14), 20
    room = max(1, (image.height - 40) // (2 * line))
    rows = [
        (i.id, f"{i.id}   {i.class_name} {i.class_score:.2f}   {i.point_count:,} points")
        for i in result.instances
    ]
    lines = rows if len(rows) <= room else rows[: room - 1]
    texts = [text for _, text in lines]
    if len(lines) < len(rows):
        texts.append(f"and {len(rows) - len(lines)} more")
    if not texts:
        texts = ["no objects"]
    canvas = ImageDraw.Draw(image, "RGBA")
    width = int(max(canvas.textlength(text, font=font) for text in texts)) + 46
    top = image.height - line * len(texts) - 18
    canvas.rounded_rectangle((8, top, 8 + width, image.height - 8), 6, fill=(0, 0, 0, 170))
    for number, text in enumerate(texts):
        y = top + 15 + number * line
        if number < len(lines):
            canvas.rectangle((18, y - 6, 30, y + 6), fill=colors[lines[number][0]])
        canvas.text((40, y), text, fill=_TEXT, font=font, anchor="lm")


def _side_by_side(
    panels: tuple[Image.Image, ...], titles: tuple[str, ...], size: tuple[int, int]
) -> Image.Image:
    page = Image.new("RGB", size, tuple(v // 2 for v in BACKDROP))
    canvas = ImageDraw.Draw(page)
    for number, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        left = number * (panel.width + _GAP)
        page.paste(panel, (left, _HEADER))
        canvas.text(
            (left + 12, _HEADER // 2), title, fill=_TEXT, font=ImageFont.load_default(16),
            anchor="lm",
        )  # fmt: skip
    return page


def _save(page: Image.Image, path: Path | str) -> None:
    with replacing(Path(path)) as temporary:
        page.save(temporary, format="PNG")
