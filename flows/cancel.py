"""A person cancels a run that they started by hand, on its page or with `prefect flow-run cancel`.

A worker ends the process of its own runs. Nothing does so for a run by hand, so such a run asks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from pvtt.errors import PvttError

ASK_EVERY_S = 5.0


class RunCancelledError(PvttError):
    """A person cancelled the run in Prefect."""


def cancellation_check() -> Callable[[], None]:
    """What a run calls again and again: raises `RunCancelledError` once it is cancelled."""
    if "PREFECT__FLOW_RUN_ID" in os.environ or "PREFECT_API_URL" not in os.environ:
        return lambda: None
    run = flow_run.id
    asked = time.monotonic()

    def check() -> None:
        nonlocal asked
        if run is None or time.monotonic() - asked < ASK_EVERY_S:
            return
        asked = time.monotonic()
        if is_cancelled(run):
            raise RunCancelledError("the run was cancelled in Prefect", "run the same command again: it continues")

    return check


def is_cancelled(run: str) -> bool:
    """Whether a person cancelled the run with this id; False where the server does not answer."""
    with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(run)).state
        return state is not None and (state.is_cancelling() or state.is_cancelled())
    return False
