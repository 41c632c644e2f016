from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.bench.sets import BenchSet
from tests.bench.sets import small_bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> BenchSet:
    """Two triplets; copy them before changing anything."""
    folder: Path = tmp_path_factory.mktemp("bench")
    return small_bench(folder)
