"""Where each voxel lies as seen from each click: the decoder's position encoding.

Nothing here depends on the extent of the scene, on its origin or on metres, so a decoder trained
on rooms sees a street or a table in the same terms. Two kinds of terms:

- Fourier features of the offset between voxel and click. With angles a = w.x and b = w.c,
  cos(a - b) = cos a cos b + sin a sin b, so a weighted sum of cosines and sines of the offset is
  one matrix product of the voxels' Fourier features with the click's weights turned by its own
  position: relative as in rotary encodings, at the price of absolute ones.
- Radial terms: straight distance, surface path cost, and how the path cost compares with that
  from the nearest click of anything else; the same for paths over learned edges; how far
  apart the centers are for which voxel and clicked voxel vote; and how far apart their colors are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from clickseg3d_core.surface import PATH_LIMIT

DISTANCE_TERMS = 2
PATH_TERMS = 6
VOTE_TERMS = 3
COLOR_TERMS = 3
RIVAL_TERM = 6
"""Row of the surface path's log rival - log path."""


def fourier_angles(positions: Tensor, wavelengths: Tensor) -> Tensor:
    """Phase of each position for each wavelength and axis.

    Args:
        positions: (V, 3) float, voxel units.
        wavelengths: (W,) float, voxel units.

    Returns:
        (V, 3 W) float, radians.
    """
    angles = positions[:, :, None] * (2.0 * math.pi / wavelengths)  # (V, 3, W)
    return angles.flatten(1)


def fourier_features(angles: Tensor) -> Tensor:
    """(V, A) radians -> (2 A, V) cosines, then sines; voxels last, as products read them."""
    turned = angles.T.contiguous()
    return torch.cat([turned.cos(), turned.sin()])


def turned_weights(weights: Tensor, angles: Tensor) -> Tensor:
    """Weights on cos and sin of the offset, as weights on a voxel's own Fourier features.

    Args:
        weights: (K, ..., 2 A): A weights on cos(offset), then A on sin(offset).
        angles: (K, A) radians of the clicks.

    Returns:
        (K, ..., 2 A), to be multiplied with `fourier_features` of the voxels.
    """
    shape = (angles.shape[0],) + (1,) * (weights.dim() - 2) + (angles.shape[1],)
    cos, sin = angles.cos().view(shape), angles.sin().view(shape)
    on_cos, on_sin = weights.chunk(2, dim=-1)
    return torch.cat([on_cos * cos - on_sin * sin, on_cos * sin + on_sin * cos], dim=-1)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClickView:
    """The V voxels of one level as seen from K clicks.

    Attributes:
        radial: (K, T, V) float32.
        fourier: (2 A, V) float32 Fourier features of the voxels.
        click_angles: (K, A) float32 radians of the clicks.
    """

    radial: Tensor
    fourier: Tensor
    click_angles: Tensor

    def linear(self, weights: Tensor) -> Tensor:
        """Weighted sum of all terms.

        Args:
            weights: (K, H, T + 2 A), per click and head.

        Returns:
            (K, H, V) float32.
        """
        with torch.autocast(weights.device.type, enabled=False):
            weights = weights.float()
            terms = self.radial.shape[1]
            turned = turned_weights(weights[..., terms:], self.click_angles)
            far = turned.flatten(0, 1) @ self.fourier  # (K H, V)
            near = weights[..., :terms].contiguous()
            return far.view(*weights.shape[:2], -1).baddbmm_(near, self.radial)


def radial_terms(
    distance: Tensor,
    paths: Tensor,
    vote_distance: Tensor | None,
    color_distance: Tensor | None = None,
) -> Tensor:
    """Radial terms of each voxel from each click, but for those that depend on other clicks.

    Args:
        distance: (K, V) straight distance, voxel units.
        paths: (K, P, V) path cost of each of P kinds, voxel units, capped.
        vote_distance: (K, V) between the centers that voxel and clicked voxel vote for, voxel
            units; None leaves its terms out.
        color_distance: (K, V) between the colors, each channel in -1..1; None leaves its terms out.

    Returns:
        (K, T, V) float32, each term of order 1: T = DISTANCE_TERMS + P PATH_TERMS + VOTE_TERMS +
        COLOR_TERMS.
        What is missing holds anything until `set_rival_terms`.
    """
    count = DISTANCE_TERMS + PATH_TERMS * paths.shape[1]
    votes = 0 if vote_distance is None else VOTE_TERMS
    colors = 0 if color_distance is None else COLOR_TERMS
    terms = distance.new_empty(len(distance), count + votes + colors, distance.shape[1])
    _halved_logarithm(distance, terms[:, 0])
    _decay(distance, 12.0, terms[:, 2])
    for kind in range(paths.shape[1]):
        _fill_path_terms(terms, _path_rows(kind), paths[:, kind])
    if vote_distance is not None:
        _halved_logarithm(vote_distance, terms[:, count])
        _decay(vote_distance, 4.0, terms[:, count + 1])
        _decay(vote_distance, 16.0, terms[:, count + 2])
    if color_distance is not None:
        torch.mul(color_distance, 2.0, out=terms[:, -3]).clamp_(max=2.0)
        _decay(color_distance, 0.1, terms[:, -2])
        _decay(color_distance, 0.4, terms[:, -1])
    return terms


def set_rival_terms(terms: Tensor, log_rivals: Tensor) -> None:
    """Fill in how path costs compare with those from the nearest click of anything else.

    Args:
        terms: (K, T, V) from `radial_terms`; changed.
        log_rivals: (K, P, V) log(1 + least path cost from any click of another object or of the
            background).
    """
    for kind in range(log_rivals.shape[1]):
        rows = _path_rows(kind)
        terms[:, rows[4]] = log_rivals[:, kind]
        terms[:, rows[4]].sub_(terms[:, rows[0]], alpha=2.0).clamp_(-2.0, 2.0)


def _path_rows(kind: int) -> tuple[int, ...]:
    if kind == 0:
        return (1, 3, 4, 5, RIVAL_TERM, 7)
    first = DISTANCE_TERMS + PATH_TERMS * kind
    return tuple(range(first, first + PATH_TERMS))


def _fill_path_terms(terms: Tensor, rows: tuple[int, ...], path: Tensor) -> None:
    _halved_logarithm(path, terms[:, rows[0]])
    _decay(path, 25.0, terms[:, rows[1]])
    _decay(path, 120.0, terms[:, rows[2]])
    torch.mul(path, 1.0 / PATH_LIMIT, out=terms[:, rows[3]])
    terms[:, rows[5]] = path >= PATH_LIMIT


# Written in place: at a hundred thousand points fresh memory costs more than the arithmetic.
def _halved_logarithm(distance: Tensor, out: Tensor) -> None:
    torch.log1p(distance, out=out).mul_(0.5)


def _decay(distance: Tensor, length: float, out: Tensor) -> None:
    torch.mul(distance, -1.0 / length, out=out).exp_()


def rival_costs(path: Tensor, object_index: Tensor, episode: Tensor, limit: float) -> Tensor:
    """Least path cost from any click of the same episode that marks something else.

    Args:
        path: (K, V) path costs.
        object_index: (K,) int64, one number per marked object (background clicks count too).
        episode: (K,) int64, clicks of different episodes do not see each other.
        limit: Value where there is no rival.

    Returns:
        (K, V).
    """
    rival = torch.full_like(path, limit)
    for number in torch.unique(episode).tolist():
        clicks = torch.nonzero(episode == number).flatten()
        objects, owner = torch.unique(object_index[clicks], return_inverse=True)
        if len(objects) > 1:
            rival[clicks] = _least_of_others(path[clicks], owner, len(objects), limit)[owner]
    return rival


def _least_of_others(path: Tensor, owner: Tensor, objects: int, limit: float) -> Tensor:
    """(O, V): per object the least cost over all other objects, by minima from both ends."""
    index = owner[:, None].expand_as(path)
    own = path.new_full((objects, path.shape[1]), limit).scatter_reduce(0, index, path, "amin")
    others = torch.full_like(own, limit)
    before, after = others[0].clone(), others[0].clone()
    for i in range(objects - 1):
        before = torch.minimum(before, own[i])
        others[i + 1] = before
    for i in range(objects - 1, 0, -1):
        after = torch.minimum(after, own[i])
        others[i - 1] = torch.minimum(others[i - 1], after)
    return others
