"""The bench is imported from the repository's root, wherever pytest was started."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files that is open to the user whom the server runs as, and whose
    path is short enough for a socket; `tmp_path` is neither."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder)
