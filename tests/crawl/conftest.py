from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pvtt.files.workspace import Workspace
from tests.crawl.site import Site, serving


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def site() -> Iterator[Site]:
    """A running shop without pages."""
    with serving(Site()) as running:
        yield running
