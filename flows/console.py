"""How a flow started by hand ends: with its result, or with one line that says what to do."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefect.exceptions import CancelledRun, TerminationSignal

from flows.lifetime import StoppedBySignal, original_signal, watched
from flows.notify import without_credentials
from pvtt.errors import PvttError
from pvtt.files.own_code import run_own_code
from pvtt.files.workspace import find_workspace

INTERRUPTED = 130  # as a shell reports it


@contextmanager
def exit_with_errors(debug: bool = False, needs_server: bool = True) -> Iterator[None]:
    """Run the workspace's own code; print a `PvttError` as the `pvtt` command does and exit with its code.

    Args:
        debug: Show an error's traceback.
        needs_server: Look first whether the server that PREFECT_API_URL names answers.
    """
    try:
        run_own_code()
        with watched(find_workspace().root):
            if needs_server:
                _require_server()
            yield
    except KeyboardInterrupt:
        print("\nstopped: run the same command again, and it continues", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except CancelledRun:
        print("pvtt: cancelled in Prefect: run the same command again, and it continues", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except (StoppedBySignal, TerminationSignal) as stop:
        number = original_signal(stop.number if isinstance(stop, StoppedBySignal) else stop.signal)
        with suppress(OSError):  # the terminal may be what has gone
            name = signal.Signals(number).name
            print(f"pvtt: stopped by {name}: run the same command again, and it continues", file=sys.stderr)
        sys.exit(128 + number)
    except PvttError as error:
        if debug:
            traceback.print_exc()
        print(f"pvtt: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  next: {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code if error.exit_code > 0 else 1)


def _require_server() -> None:
    """A server that the user names must be there; Prefect alone would retry and then print a traceback."""
    url = os.environ.get("PREFECT_API_URL")
    if url is None:
        return
    import httpx

    try:
        httpx.get(f"{url}/health", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise PvttError(
            f"the Prefect server at {without_credentials(url)} (PREFECT_API_URL) does not answer: "
            f"{without_credentials(str(error))}",
            "start it with `prefect server start`, or unset PREFECT_API_URL: then a temporary one serves",
        ) from None
