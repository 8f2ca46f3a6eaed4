"""Published figures, from published.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import yaml

PublishedRow = Mapping[str, Any]


def published_tables() -> dict[str, Sequence[PublishedRow]]:
    """Rows of table1, table2, table3, tableS1, table4 and table5; percent, clicks and seconds."""
    text = resources.files("clickseg3d_core.report").joinpath("published.yaml").read_text("utf-8")
    tables: dict[str, Sequence[PublishedRow]] = yaml.safe_load(text)
    return tables
