"""Many small flow runs at once against a Prefect server: does its database keep up?

    PREFECT_API_URL=http://127.0.0.1:4200/api python -m tests.flows.parallel_runs --runs 100

Prints how many of them the server calls completed, and how long they took; exits with 1 where one is not. What the
server itself reports, such as a locked database, is in its own log.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import click
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter

TAG = "parallel-runs"


@task
async def wait(seconds: float) -> None:
    """Something that takes a moment."""
    await asyncio.sleep(seconds)


@flow(name=TAG)
async def small(number: int) -> int:
    """Two tasks."""
    await wait(0.1)
    await wait(0.1)
    return number


async def run(runs: int) -> Counter[str]:
    """Start all at once; returns how many runs the server has in each state."""
    since = datetime.now(UTC).isoformat()
    async with asyncio.TaskGroup() as group:
        for number in range(runs):
            group.create_task(small(number))
    async with get_client() as client:
        ours = FlowRunFilter.model_validate({"expected_start_time": {"after_": since}})
        found = await client.read_flow_runs(flow_run_filter=ours, limit=200)
    return Counter(str(one.state_name) for one in found)


@click.command()
@click.option("--runs", type=click.IntRange(1, 200), default=100, show_default=True)
def main(runs: int) -> None:
    """Run small flows in parallel and count how they end."""
    if "PREFECT_API_URL" not in os.environ:
        raise click.UsageError("PREFECT_API_URL is not set: start a server and name it")
    started = time.monotonic()
    states = asyncio.run(run(runs))
    print(f"{runs} runs at once, in {time.monotonic() - started:.0f} s: {dict(states)}")
    sys.exit(states != {"Completed": runs})


if __name__ == "__main__":
    main()
