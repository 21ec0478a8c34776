"""Files that the program keeps for itself: in the platform's cache folder, each written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(purpose: str) -> Path:
    """Where files of a purpose are kept; deleting it costs time, nothing else."""
    import platformdirs

    return platformdirs.user_cache_path("analyzer", appauthor=False) / purpose


def write_whole(path: Path, content: bytes) -> None:
    """Write under a temporary name and rename: nobody ever reads half a file."""
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    os.replace(temporary, path)
