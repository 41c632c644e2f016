"""What a flow must find: Prefect its settings when it is imported, the flow its workspace when it runs."""

from __future__ import annotations

import os

from pvtt.files.own_code import require_own_code
from pvtt.files.workspace import Workspace, find_workspace

HEARTBEAT_EVERY_S = 60  # of a flow's run, as in infra/prefect.yaml: `flows.deploy` has runs without them crash


def prepare() -> None:
    """Set what the user has not: no analytics; without `PREFECT_API_URL`, a temporary server kept in this checkout."""
    defaults = {
        "DO_NOT_TRACK": "1",  # Prefect's client-side analytics
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_EVERY_S),
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


def own_workspace() -> Workspace:
    """The workspace that a flow works in.

    Raises:
        ForeignCodeError: The flow's code is not the workspace's, as where a Prefect worker started it in another folder
            than the one that it was deployed from.
    """
    workspace = find_workspace()
    require_own_code(workspace.root)
    return workspace
