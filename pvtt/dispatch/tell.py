"""Lines to whoever waits, where somebody does."""

from __future__ import annotations

import sys
from contextlib import suppress


def tell(text: str) -> None:
    """Print a line to standard error; after a hang-up there is no terminal any more, and nobody to tell."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)
