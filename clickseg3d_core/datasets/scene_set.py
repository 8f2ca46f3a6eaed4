"""The scenes of a data set: their names, and each one when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.errors import FileFormatError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SceneSet:
    """Scenes by name; nothing is kept in memory. Can be sent to other processes.

    Attributes:
        dataset: Name of the data set.
        class_names: Vocabulary of its scenes.
        paths: File or folder of each scene.
        read_file: Reads one of them; a function of a module, so that it can be pickled.
    """

    dataset: str
    class_names: tuple[str, ...]
    paths: Mapping[str, Path]
    read_file: Callable[[Path], Scene]

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Scene]:
        return map(self.read, self.paths)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenes, in the order of `paths`."""
        return tuple(self.paths)

    def read(self, name: str) -> Scene:
        """Read one scene.

        Raises:
            FileFormatError: if there is no such scene or its files cannot be read.
        """
        if name not in self.paths:
            raise FileFormatError(
                f"{self.dataset} has no scene {name!r}; it has {len(self)}, {_some(self.names)}"
            )
        return self.read_file(self.paths[name])

    def only(self, names: Iterable[str]) -> SceneSet:
        """The set with these scenes only, in the order given.

        Raises:
            FileFormatError: if one is not there.
        """
        wanted = tuple(names)
        missing = [name for name in wanted if name not in self.paths]
        if missing:
            raise FileFormatError(
                f"{len(missing)} of {len(wanted)} wanted scenes are not in {self.dataset}: "
                f"{_some(missing)}; it has {_some(self.names)}"
            )
        return replace(self, paths={name: self.paths[name] for name in wanted})


def _some(names: Iterable[str]) -> str:
    first = list(names)
    return ", ".join(first[:3]) + (" ..." if len(first) > 3 else "")
