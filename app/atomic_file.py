"""Files that are replaced wholly or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, data: bytes, *, is_synced: bool = False, modified_ts: float | None = None) -> None:
    """Put a file of these bytes, its owner's alone (mode 0600), in the place of what is there.

    Args:
        is_synced: it is on the disk when this returns, so that a crash of the machine leaves no empty file.
        modified_ts: the file's time of access and modification, in seconds since the epoch; now where it is None.

    Raises:
        OSError: what was there still is.
    """
    descriptor, new = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if is_synced:
                file.flush()
                os.fsync(descriptor)
        if modified_ts is not None:
            os.utime(new, (modified_ts, modified_ts))
        os.replace(new, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(new)
        raise
