"""Several processes that train together, as torchrun and a Slurm job start them: copies of this one, with ranks."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pvtt.training.runtime import ACCELERATE_CONFIG
from tests.forked import fork
from tests.training.samples import PROJECT

Ways = Literal["ddp", "fsdp2"]


def run_ranks(count: int, way: Ways, work: Callable[[int], None], logs: Path) -> list[tuple[int, str]]:
    """Run `work` of a rank in each process.

    A copy needs no second import of torch, which takes longer than what is tried in it.

    Args:
        count: Processes.
        way: Every process holds the whole model, or its share.
        work: Gets the rank.
        logs: A folder for what they say.

    Returns:
        Each one's exit code, negative by a signal, 1 after an exception, and what it said.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    variables |= {"LOCAL_WORLD_SIZE": str(count)}
    if way == "fsdp2":
        variables[ACCELERATE_CONFIG] = str(PROJECT / "infra" / "accelerate" / "fsdp2.yaml")
    children = []
    for rank in range(count):
        log = logs / f"rank-{rank}.log"
        child = fork()
        if child == 0:
            code = 1
            try:
                os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), sys.__stderr__.fileno())
                sys.stderr = os.fdopen(os.dup(sys.__stderr__.fileno()), "w", buffering=1)
                os.environ.update(variables, RANK=str(rank), LOCAL_RANK=str(rank))
                work(rank)
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc(file=sys.stderr)
            finally:
                os._exit(code)
        children.append((child, log))
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child, _ in children]
    return [(end, log.read_text()) for end, (_, log) in zip(ends, children, strict=True)]


def train_together(count: int, way: Ways, work: Callable[[int], None], logs: Path) -> None:
    """`run_ranks`, all of which must end well."""
    for end, said in run_ranks(count, way, work, logs):
        assert end == 0, said
