"""Reading and writing clouds; the name's ending says the format."""

from __future__ import annotations

from pathlib import Path

from clickseg3d_core.atomic import check_can_write, replacing
from clickseg3d_core.errors import CloudError, FileFormatError
from clickseg3d_core.io import arrays, kitti, las, open3d_files, pcd, ply
from clickseg3d_core.io.record import CloudFile, result_fields
from clickseg3d_core.types import Segmentation

_READERS = {
    ".ply": ply.read,
    ".pcd": pcd.read,
    ".npz": arrays.read_npz,
    ".npy": arrays.read_npy,
    ".las": las.read,
    ".laz": las.read,
    ".bin": kitti.read,
    **dict.fromkeys(open3d_files.POINT_SUFFIXES + open3d_files.MESH_SUFFIXES, open3d_files.read),
}
_WRITERS = {
    ".ply": ply.write,
    ".pcd": pcd.write,
    ".npz": arrays.write_npz,
    ".npy": arrays.write_npy,
    ".las": las.write,
    ".laz": las.write,
}
READABLE = tuple(_READERS)
WRITABLE = (*_WRITERS, ".bin")


def read_cloud(path: Path | str) -> CloudFile:
    """Read a cloud and everything else its file says about the points.

    .ply, .pcd, .npz, .npy, .las, .laz and KITTI .bin; with Open3D also .xyz, .pts, .obj, .stl
    and others (`READABLE`).

    Args:
        path: The file; its ending says the format.

    Returns:
        The points in the file's frame and unit, and the other fields in file order.

    Raises:
        FileFormatError: if the ending is unknown or the file is missing, empty, cut short or
            of another format.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise FileFormatError(
            f"{path}: cannot read {path.suffix or 'a file without ending'}; known endings are "
            f"{' '.join(READABLE)}"
        )
    if not path.is_file():
        raise FileFormatError(f"{path} does not exist or is no file")
    if path.stat().st_size == 0:
        raise FileFormatError(f"{path} is empty")
    try:
        return reader(path)
    except CloudError as error:
        raise FileFormatError(f"{path}: {error}") from error
    except FileFormatError:
        raise
    except Exception as error:  # on damaged bytes the parsers raise whatever they stumble over
        raise FileFormatError(
            f"{path} is damaged or no {path.suffix} file ({type(error).__name__}: {error})"
        ) from error


def check_output(path: Path | str, file: CloudFile) -> None:
    """Find out before the long work whether `write_cloud` will be able to write there.

    Raises:
        FileFormatError: if the ending is unknown, the folder is not writable, the output would
            replace the input, or the format cannot hold the cloud.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise FileFormatError(
            f"{path}: cannot write {suffix or 'a file without ending'}; known endings are "
            f"{' '.join(WRITABLE)}"
        )
    check_can_write(path)
    if path.exists() and file.path.exists() and path.samefile(file.path):
        raise FileFormatError(f"{path} is the input; choose another name for the output")
    if suffix in (".las", ".laz"):
        las.check(path, file)
    if suffix == ".bin":
        kitti.check(path, file)


def write_cloud(path: Path | str, file: CloudFile, result: Segmentation) -> None:
    """Write the cloud with its own fields and those of the result, whole or not at all.

    Adds `instance` (int32, 0 = none), `class` (int16, index into `classes.CLASS_NAMES`, -1 = none)
    and `score` (float32, 0..1). A field of the input with such a name becomes input_<name>.
    Between formats, what the new format cannot hold is lost (comments, faces, text). In .npy they
    are the last three columns; .bin puts instance and class + 1 into a .label file beside it.

    Args:
        path: Where to; its ending says the format.
        file: The input as `read_cloud` gave it.
        result: Segmentation of `file.cloud`.

    Raises:
        FileFormatError: as `check_output`, or if writing fails.
    """
    path = Path(path)
    check_output(path, file)
    added = result_fields(result, len(file.cloud))
    if path.suffix.lower() == ".bin":
        kitti.write(path, file, added)
        return
    with replacing(path) as temporary:
        _WRITERS[path.suffix.lower()](temporary, file, added)
