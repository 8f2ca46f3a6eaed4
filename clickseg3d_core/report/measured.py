"""Measured figures, from the folders of `clickseg3d evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickseg3d_core.errors import ConfigError
from clickseg3d_core.evaluation.protocol import protocol_named
from clickseg3d_core.evaluation.results import read_results

_FLOAT32_BYTES = 4


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Measured:
    """One result folder.

    Attributes:
        method: Its name in tables.
        data: Name of the data set.
        protocol: Name of the protocol, with what differs from its standard form.
        kind: multi or single.
        trained_on: "" = not stated.
        domain: in-domain, zero-shot or unstated.
        episodes: Episodes scored.
        figures: As in results.json.
        cost: As in results.json; None for figures without a network.
        facts: Of the method.
        settings: Numbers that figures are drawn over.
        folder: Where it came from.
    """

    method: str
    data: str
    protocol: str
    kind: str
    trained_on: str
    domain: str
    episodes: int
    figures: Mapping[str, Any]
    cost: Mapping[str, Any] | None
    facts: Mapping[str, Any]
    settings: Mapping[str, float]
    folder: str

    @property
    def size_mb(self) -> float | None:
        """Megabytes of the weights in float32, as Table 5 counts; None for a method without."""
        parameters = self.facts.get("parameters")
        return None if parameters is None else parameters * _FLOAT32_BYTES / 1e6

    def iou(self, clicks: int) -> float | None:
        """Mean IoU in percent after `clicks` clicks per object; None if not measured."""
        value = self.figures["iou"].get(str(clicks))
        return None if value is None else 100.0 * value

    def noc(self, quality: int) -> float:
        """Clicks per object until the IoU is `quality` percent."""
        return float(self.figures["noc"][str(quality)])


def read_measured(folders: Sequence[Path]) -> list[Measured]:
    """Read result folders.

    Raises:
        ConfigError: if none is given.
        FileFormatError: if one has no results yet.
    """
    if not folders:
        raise ConfigError("give at least one folder of `clickseg3d evaluate`")
    return [_measured(folder) for folder in folders]


def _measured(folder: Path) -> Measured:
    results = read_results(folder)
    run, about = results["run"], results["run"].get("about", {})
    facts = run.get("method", {})
    return Measured(
        method=about.get("label") or facts.get("name", folder.name),
        data=run["data"],
        protocol=_protocol_text(run["protocol"]),
        kind=run["protocol"]["kind"],
        trained_on=about.get("trained_on", ""),
        domain=about.get("domain", "unstated"),
        episodes=results["figures"]["episodes"],
        figures=results["figures"],
        cost=results["cost"],
        facts=facts,
        settings=about.get("settings", {}),
        folder=folder.name,
    )


def _protocol_text(protocol: Mapping[str, Any]) -> str:
    """The name, and what differs from the standard form."""
    standard = protocol_named(protocol["name"])
    parts = [standard.name]
    voxel = protocol.get("voxel_size", standard.voxel_size)
    if voxel != standard.voxel_size:
        parts.append("user sees the encoding's voxels" if voxel is None else f"{voxel:g} m voxels")
    clicks = protocol.get("clicks", standard.clicks)
    if clicks != standard.clicks:
        parts.append(f"at most {clicks} clicks")
    return ", ".join(parts)
