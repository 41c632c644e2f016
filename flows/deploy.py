"""Everything that a Prefect server has to know of this project: work pool, deployments, automations.

    python -m flows.deploy --wait

It can be repeated: what is there already is brought up to date.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import click
import httpx
from prefect.automations import AutomationCore
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists
from pydantic import SecretStr

from flows import notify
from flows.console import exit_with_errors
from flows.environment import HEARTBEAT_EVERY_S, own_workspace
from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace

POOL = "pvtt"
FILE = "infra/prefect.yaml"
FLOWS = ("pipeline", "ingest", "promote")
ZOMBIES = "pvtt: a run without heartbeats has crashed"
CRASHES = "pvtt: tell of a crashed run"
BLOCK = "pvtt-webhook"
CRASHED_AFTER_S = 5 * HEARTBEAT_EVERY_S
WAIT_S = 300.0
# Prefect fills in what is in braces. The fields are those of `flows.notify`.
CRASHED = (
    '{"event": "failure", "flow_run": "{{ flow_run.id }}", "flow": "{{ flow.name }}", '
    '"text": {{ (flow.name ~ " crashed (run " ~ flow_run.name ~ "): " ~ flow_run.state.message) | tojson }}}'
)


def wait_for_server(url: str, seconds: float) -> None:
    """Return once the server is healthy. Raises `PvttError` if it is not after that time."""
    end = time.monotonic() + seconds
    while True:
        try:
            httpx.get(f"{url}/health", timeout=10).raise_for_status()
            return
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if time.monotonic() >= end:
                raise PvttError(
                    f"no Prefect server answers at {notify.without_credentials(url)} (PREFECT_API_URL): "
                    f"{type(error).__name__}",
                    "start it with `prefect server start --background`, and give it time with --wait",
                ) from None
            time.sleep(0.5)


def deploy(workspace: Workspace, crashed_after_s: float = CRASHED_AFTER_S) -> None:
    """Create the work pool, deploy the flows, register the automations.

    Args:
        workspace: The checkout in which a worker is to run the flows.
        crashed_after_s: After how many seconds without a heartbeat a run counts as crashed; at least 10.
    """
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        _deploy(workspace)
        register(client, crashed_after(crashed_after_s))
        if url := os.environ.get(notify.VARIABLE):
            block = Webhook(method="POST", url=SecretStr(url)).save(BLOCK, overwrite=True)
            assert isinstance(block, UUID)
            register(client, _crashes(block))


def _deploy(workspace: Workspace) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", FILE],
        cwd=workspace.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        lines = (answer.stdout + answer.stderr).strip().splitlines() or ["no message"]
        raise PvttError(
            f"`prefect deploy` failed: {lines[-1].strip()}", f"try it: prefect deploy --all --prefect-file {FILE}"
        )


def crashed_after(seconds: float) -> AutomationCore:
    """The automation for runs that send no more heartbeats for that long."""
    return AutomationCore(
        name=ZOMBIES,
        description="A killed run says nothing; left as running, it would have every later one dropped.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                *(f"prefect.flow-run.{end}" for end in ("Completed", "Failed", "TimedOut", "Cancelled", "Crashed")),
            },
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=_ours(),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=seconds),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"No heartbeat for {seconds:g} s: its process is gone, or its machine",
            )
        ],
    )


def _crashes(block: UUID) -> AutomationCore:
    """What crashed can't send its own message; the server does."""
    return AutomationCore(
        name=CRASHES,
        description="What crashed cannot send its own message.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Crashed"},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=_ours(),
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[CallWebhook(block_document_id=block, payload=CRASHED)],
    )


def _ours() -> ResourceSpecification:
    """Only this project's flows: others on the server may send heartbeats more rarely."""
    return ResourceSpecification({"prefect.resource.role": ["flow"], "prefect.resource.name": list(FLOWS)})


def register(client: SyncPrefectClient, automation: AutomationCore) -> None:
    """Create an automation, or bring the one of its name up to date."""
    there = client.read_automations_by_name(automation.name)
    if there:
        client.update_automation(there[0].id, automation)
    else:
        client.create_automation(automation)


@click.command()
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    is_flag=False,
    flag_value=WAIT_S,
    default=0.0,
    help=f"Seconds to wait for a server that is starting; {WAIT_S:g} where no number follows.",
)
@click.option(
    "--crashed-after",
    "crashed_after_s",
    type=click.FloatRange(min=2 * HEARTBEAT_EVERY_S),
    default=CRASHED_AFTER_S,
    show_default=True,
    help="Seconds without a heartbeat after which a run counts as crashed; two heartbeats at least.",
)
def main(wait: float, crashed_after_s: float) -> None:
    """Tell the Prefect server of PREFECT_API_URL about this project: work pool, deployments, automations.

    A run whose process is gone becomes Crashed, so that the next one starts. With PVTT_WEBHOOK_URL set, the server
    sends a message about it there.
    """
    url = os.environ.get("PREFECT_API_URL")
    with exit_with_errors(needs_server=False):
        if url is None:
            raise PvttError(
                "PREFECT_API_URL is not set: there is no server to deploy to",
                "export PREFECT_API_URL=http://127.0.0.1:4200/api",
            )
        wait_for_server(url, wait)
        deploy(own_workspace(), crashed_after_s)
        click.echo(f"Deployed to {notify.without_credentials(url)}. Start a worker: prefect worker start --pool {POOL}")


if __name__ == "__main__":
    main()
