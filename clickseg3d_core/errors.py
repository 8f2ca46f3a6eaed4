"""Errors of the library.

Every message says what was expected, what came, and what to do about it. Front ends catch
`ClickSegError` and show the message; anything else is a bug and should be loud.
"""


class ClickSegError(Exception):
    """Base of every error that a caller can mend."""


class ConfigError(ClickSegError, ValueError):
    """A configuration value is unknown, of the wrong type or out of range."""


class CloudError(ClickSegError, ValueError):
    """A point cloud cannot be used."""


class ClickError(ClickSegError, ValueError):
    """Clicks cannot be used with this cloud."""


class CheckpointError(ClickSegError, RuntimeError):
    """A checkpoint cannot be read, or holds another model than asked for."""


class FileFormatError(ClickSegError, RuntimeError):
    """A file cannot be read or written."""
