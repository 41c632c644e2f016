"""The environment that Prefect must find when it is imported, before the user's own settings."""

from __future__ import annotations

import os

from pvtt.items.workspace import find_workspace


def defaults() -> dict[str, str]:
    """Environment variables to set where the user has not."""
    values = {
        "DO_NOT_TRACK": "1",  # Prefect's client-side analytics
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    if "PREFECT_API_URL" not in os.environ:  # no server of the user's: a temporary one, kept in this checkout
        values |= {
            "PREFECT_HOME": str(find_workspace().state / "prefect"),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        }
    if "PREFECT__FLOW_RUN_ID" not in os.environ:  # a person started this, not a worker: the board shows what runs
        values |= {
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the flow's own log still goes to the API
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        }
    return values
