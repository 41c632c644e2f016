"""The command of a stage."""

from __future__ import annotations

import os
import time

import click

from pvtt.errors import PvttError
from pvtt.stages.all import PROFILE_PARTS
from pvtt.stages.stage import Stage


def describe(stage: Stage) -> str:
    """The help of a stage's command: what it does, reads, depends on and writes."""
    lists = (("Reads", stage.reads), ("Params", stage.params), ("Writes", (*stage.writes, *stage.metrics)))
    facts = "\n\n".join(f"\b\n{title}:\n" + "\n".join(f"  {name}" for name in names) for title, names in lists)
    return f"{stage.help}.\n\n{facts}"


def stage_command(stage: Stage) -> click.Command:
    """The command `pvtt <stage>`."""

    @click.command(name=stage.name, help=describe(stage), short_help=stage.help)
    def command() -> None:
        run_stage(stage)

    return command


def run_stage(stage: Stage) -> None:
    """Run a stage in the workspace around the working folder, under its lock.

    Of several processes that a launcher started, which act as one, the first holds the lock.

    Raises:
        PvttError: A launcher started several processes, and the stage is no training.
    """
    from pvtt.dispatch import InlineDispatcher, from_environment
    from pvtt.dispatch.inputs import inputs_mark
    from pvtt.files.atomic import sweep_temporaries, sweep_temporaries_of
    from pvtt.files.lock import hold_lock
    from pvtt.files.workspace import find_workspace
    from pvtt.params.file import load_params
    from pvtt.stages.timing import note_timing

    workspace = find_workspace()
    params = load_params(workspace.params_file)
    rank, num_processes = (int(os.environ.get(name) or default) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    if num_processes > 1 and not stage.distributed:
        raise PvttError(
            f"{stage.name} was started as {num_processes} processes that act as one, which only a training is made for",
            "start it without torchrun or accelerate; PVTT_DISPATCH says how many processes share its items",
        )
    if rank > 0:
        stage.run(workspace, params, InlineDispatcher())
        return
    with hold_lock(workspace.state / f"{stage.name}.lock", f"pvtt {stage.name}"):
        sweep_temporaries_of(workspace.out(stage.name))
        for folder in (workspace.metrics, workspace.state, workspace.checkpoints, workspace.cache / stage.name):
            sweep_temporaries(folder)
        at, started = time.time(), time.monotonic()
        one_a_gpu = [stage.name] if stage.on_gpu else []
        dispatcher = from_environment(
            PROFILE_PARTS, lambda: inputs_mark(workspace.root, stage.reads, params), one_a_gpu=one_a_gpu
        )
        stage.run(workspace, params, dispatcher)
        note_timing(workspace, stage, at, time.monotonic() - started)
