"""Procedural color: materials, patterns evaluated where a ray hits, light and camera color."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clickseg3d_core.simulation.mesh import FloatArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Material:
    """What a surface looks like and how well a depth sensor sees it.

    Attributes:
        colors: (4, 3) float64 albedos, 0..1.
        pattern: One of `patterns.PATTERNS`.
        scale: Size of the pattern in metres.
        dropout: Probability that a depth camera gets no return (glass, mirrors, black screens).
        seed: Makes the pattern's random layout.
    """

    colors: FloatArray
    pattern: str = "plain"
    scale: float = 0.05
    dropout: float = 0.0
    seed: int = 0


def hue_color(hue: float, saturation: float, value: float) -> FloatArray:
    """(3,) RGB 0..1 from HSV 0..1."""
    k = (np.array([5.0, 3.0, 1.0]) + hue * 6.0) % 6.0
    return np.asarray(value * (1.0 - saturation * np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0)))


def vivid(rng: np.random.Generator) -> FloatArray:
    """(3,) saturated color."""
    return hue_color(rng.random(), rng.uniform(0.45, 1.0), rng.uniform(0.35, 0.95))


def pale(rng: np.random.Generator) -> FloatArray:
    """(3,) light, weakly colored (walls, paper, china)."""
    return hue_color(rng.random(), rng.uniform(0.0, 0.22), rng.uniform(0.65, 0.97))


def dark(rng: np.random.Generator) -> FloatArray:
    """(3,) nearly black."""
    return hue_color(rng.random(), rng.uniform(0.0, 0.4), rng.uniform(0.03, 0.22))


def gray(rng: np.random.Generator) -> FloatArray:
    """(3,) metal or plastic gray."""
    return hue_color(rng.random(), rng.uniform(0.0, 0.1), rng.uniform(0.25, 0.8))


def woody(rng: np.random.Generator) -> FloatArray:
    """(3,) brown of wood or cardboard."""
    return hue_color(rng.uniform(0.04, 0.12), rng.uniform(0.2, 0.75), rng.uniform(0.25, 0.9))


def leafy(rng: np.random.Generator) -> FloatArray:
    """(3,) green of plants."""
    return hue_color(rng.uniform(0.18, 0.4), rng.uniform(0.35, 0.9), rng.uniform(0.15, 0.6))


def anything(rng: np.random.Generator) -> FloatArray:
    """(3,) any everyday color."""
    return (vivid, pale, dark, gray, woody)[rng.choice(5, p=[0.4, 0.2, 0.13, 0.13, 0.14])](rng)


def plain(color: FloatArray, *, dropout: float = 0.0) -> Material:
    """One color all over."""
    return Material(colors=np.tile(color, (4, 1)), dropout=dropout)


def patterned(
    pattern: str, colors: list[FloatArray], scale: float, rng: np.random.Generator
) -> Material:
    """A pattern over two to four colors; missing ones are repeated."""
    four = np.stack([colors[min(i, len(colors) - 1)] for i in range(4)])
    return Material(
        colors=four, pattern=pattern, scale=scale, seed=int(rng.integers(2**31)), dropout=0.0
    )


def wood(rng: np.random.Generator) -> Material:
    """Grained wood, stained or natural, sometimes painted."""
    if rng.random() < 0.3:
        return plain(pale(rng) if rng.random() < 0.6 else anything(rng))
    base = woody(rng)
    other = np.clip(base * rng.uniform(0.65, 0.95), 0.0, 1.0)
    return patterned("grain", [base, other], rng.uniform(0.008, 0.06), rng)


def fabric(rng: np.random.Generator) -> Material:
    """Cloth: plain, mottled, striped or checked."""
    base, other = anything(rng), anything(rng)
    near = np.clip(base * rng.uniform(0.7, 1.3), 0.0, 1.0)
    kind = rng.choice(["plain", "noise", "speckle", "stripes", "checker", "cells"])
    second = near if rng.random() < 0.6 else other
    return patterned(str(kind), [base, second, near, other], rng.uniform(0.015, 0.15), rng)


def package(rng: np.random.Generator, size: float) -> Material:
    """A printed package about `size` metres large."""
    colors = [
        anything(rng),
        anything(rng),
        vivid(rng),
        pale(rng) if rng.random() < 0.6 else dark(rng),
    ]
    if rng.random() < 0.4:
        colors[int(rng.integers(3))] = pale(rng)
    kind = rng.choice(
        ["print", "art", "cells", "plain", "stripes"], p=[0.36, 0.36, 0.06, 0.16, 0.06]
    )
    return patterned(str(kind), colors, size * rng.uniform(0.08, 0.4), rng)


def coating(rng: np.random.Generator) -> Material:
    """Plastic, china or paint: mostly one color."""
    if rng.random() < 0.75:
        return plain(anything(rng))
    kind = str(rng.choice(["noise", "stripes", "checker", "speckle"]))
    return patterned(kind, [anything(rng), anything(rng)], rng.uniform(0.01, 0.05), rng)


def glass(rng: np.random.Generator) -> Material:
    """Clear or dark glass: most rays give no return."""
    return plain(dark(rng) if rng.random() < 0.5 else pale(rng), dropout=rng.uniform(0.5, 0.95))


def metal(rng: np.random.Generator) -> Material:
    """Shiny gray that loses some returns."""
    return plain(gray(rng), dropout=rng.uniform(0.0, 0.3))


def flooring(rng: np.random.Generator) -> Material:
    """Parquet, tiles, carpet, stone or lino."""
    kind = int(rng.choice(5, p=[0.3, 0.2, 0.25, 0.1, 0.15]))
    base = woody(rng)
    if kind == 0:
        other = np.clip(base * rng.uniform(0.6, 0.95), 0.0, 1.0)
        return patterned("planks", [base, other], rng.uniform(0.05, 0.2), rng)
    if kind == 1:
        tone = pale(rng) if rng.random() < 0.6 else gray(rng)
        joint = np.clip(tone * rng.uniform(0.55, 1.15), 0.0, 1.0)
        return patterned("tiles", [tone, joint, tone * 0.85], rng.uniform(0.15, 0.6), rng)
    tone = (gray, dark, woody, pale)[int(rng.choice(4, p=[0.4, 0.2, 0.25, 0.15]))](rng)
    if kind == 2:
        weave = str(rng.choice(["speckle", "noise", "cells"]))
        return patterned(weave, [tone, tone * rng.uniform(0.6, 0.95), tone], 0.05, rng)
    if kind == 3:
        return patterned("noise", [tone, np.clip(tone * 1.25, 0.0, 1.0)], 0.15, rng)
    return plain(tone)


def carpet(rng: np.random.Generator) -> Material:
    """A rug: ornament, plaid, stripes or plain pile."""
    kind = str(rng.choice(["ornament", "plaid", "stripes", "speckle", "plain", "checker"]))
    tones = [anything(rng) for _ in range(4)]
    if rng.random() < 0.4:
        tones = [np.clip(tones[0] * k, 0.0, 1.0) for k in (1.0, 0.75, 1.2, 0.5)]
    return patterned(kind, tones, rng.uniform(0.06, 0.3), rng)
