"""How a flow started by hand ends: with its result, or with one line that says what to do."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from pvtt.errors import PvttError

INTERRUPTED = 130  # as a shell reports it


@contextmanager
def exit_with_errors(debug: bool = False) -> Iterator[None]:
    """Print a `PvttError` as `error: …` and `hint: …` and exit with its code, without a traceback unless `debug`."""
    try:
        yield
    except KeyboardInterrupt:
        print("\nstopped: run the same command again, and it continues", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except PvttError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code if error.exit_code > 0 else 1)
