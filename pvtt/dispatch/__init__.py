"""Where work runs: this process, processes of this machine, or Slurm. The only importer of submitit.

The place comes from the environment, never from `params.yaml`, so that changing it invalidates no result:

    PVTT_DISPATCH=local                    as many worker processes as cores (the default); where there are GPUs, of
                                           encode and evaluate one a GPU
    PVTT_DISPATCH=local:4                  four, which share the GPUs
    PVTT_DISPATCH=inline                   this process, one after another: for a debugger
    PVTT_DISPATCH=infra/slurm/h800.yaml    a Slurm profile
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Literal

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.dispatch.local import LocalDispatcher, count_cores
from pvtt.dispatch.slurm import FOLDER, SlurmDispatcher
from pvtt.errors import PvttError
from pvtt.files.workspace import find_workspace
from pvtt.items.dispatcher import Dispatcher

PROFILE_ENDINGS = (".yaml", ".yml")
__all__ = ["InlineDispatcher", "LocalDispatcher", "SlurmDispatcher", "from_environment"]

VARIABLE = "PVTT_DISPATCH"


def from_environment(
    parts: Mapping[str, Literal["stages", "runs"] | None],
    inputs: Callable[[], str] = str,
    one_a_gpu: Collection[str] = (),
) -> Dispatcher:
    """The dispatcher that `PVTT_DISPATCH` names.

    Args:
        parts: The stages that a Slurm profile may name, each with its part; see `load_profile`.
        inputs: Tells the state of the inputs apart, for a job that may already be at work on them.
        one_a_gpu: Stages of which no two processes of this machine should share a GPU.

    Raises:
        PvttError: It names none, or a profile that does not exist or does not fit its schema.
    """
    choice = os.environ.get(VARIABLE) or "local"
    if choice == "inline":
        return InlineDispatcher()
    if choice == "local":
        return LocalDispatcher(count_cores(), one_a_gpu)
    kind, _, number = choice.partition(":")
    if kind == "local" and number.isdecimal() and int(number) > 0:
        return LocalDispatcher(int(number))
    if choice.endswith(PROFILE_ENDINGS):
        from pvtt.dispatch.profile import load_profile

        workspace = find_workspace()
        return SlurmDispatcher(load_profile(workspace.root / choice, parts), workspace.state / FOLDER, inputs)
    raise PvttError(
        f"{VARIABLE}={choice!r} is not a place to run",
        "set it to local, local:N, inline, or a Slurm profile such as infra/slurm/h800.yaml",
    )


def gpu_watts(root: Path, parts: Mapping[str, Literal["stages", "runs"] | None]) -> float | None:
    """`gpu_watts` of the Slurm profile that `PVTT_DISPATCH` names, if it names one. Raises as `load_profile`."""
    choice = os.environ.get(VARIABLE, "")
    if not choice.endswith(PROFILE_ENDINGS):
        return None
    from pvtt.dispatch.profile import load_profile

    return load_profile(root / choice, parts).gpu_watts
