"""Text and JSON files of data sets, with errors that name the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clickseg3d_core.errors import FileFormatError


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 text file.

    Raises:
        FileFormatError: if it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} cannot be read ({error})") from error


def read_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        FileFormatError: if it is missing, cut short or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise FileFormatError(f"{path} is damaged or no JSON file ({error})") from error


def brief(value: object) -> str:
    """A value for a message, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
