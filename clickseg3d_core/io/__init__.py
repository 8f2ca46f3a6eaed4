"""Cloud files in and out."""

from clickseg3d_core.io.files import (
    READABLE,
    WRITABLE,
    check_output,
    read_cloud,
    write_cloud,
)
from clickseg3d_core.io.record import CloudFile

__all__ = ["READABLE", "WRITABLE", "CloudFile", "check_output", "read_cloud", "write_cloud"]
