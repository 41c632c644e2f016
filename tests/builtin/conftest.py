from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pvtt.builtin.shop.render import Renderer
from pvtt.errors import PvttError


@pytest.fixture(scope="session")
def renderer() -> Iterator[Renderer]:
    """The engine; skips where this machine cannot render, fails there in CI."""
    try:
        engine = Renderer()
    except PvttError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error.message}; {error.hint}")
        pytest.skip(error.message)
    with engine:
        yield engine
