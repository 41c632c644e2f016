"""The environment that Prefect must find when it is imported."""

from __future__ import annotations

import os

from pvtt.files.workspace import find_workspace


def prepare() -> None:
    """Set what the user has not: no analytics; without `PREFECT_API_URL`, a temporary server kept in this checkout."""
    defaults = {
        "DO_NOT_TRACK": "1",  # Prefect's client-side analytics
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    if "PREFECT_API_URL" not in os.environ:
        home = find_workspace().state / "prefect"
        home.mkdir(parents=True, exist_ok=True)
        defaults |= {
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        }
    if "PREFECT__FLOW_RUN_ID" not in os.environ:  # a person started this, not a worker: the board shows what runs
        defaults |= {
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the flow's own log still goes to the API
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
