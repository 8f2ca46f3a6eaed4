"""Sends what Python's `logging` gets to the node's logger, and so to the console and /rosout."""

from __future__ import annotations

import logging
from typing import Any


class NodeLogHandler(logging.Handler):
    """A logging handler that writes to a node's logger.

    Args:
        logger: What `Node.get_logger` gives.
    """

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record with its level."""
        message = self.format(record)
        # One call site per level: rclpy remembers the level of each call site and raises if
        # it changes.
        if record.levelno >= logging.ERROR:
            self._logger.error(message)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(message)
        elif record.levelno >= logging.INFO:
            self._logger.info(message)
        else:
            self._logger.debug(message)
