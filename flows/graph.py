"""The stages of `dvc.yaml` in the order in which DVC reproduces them, and which of them are stale.

DVC is asked in a process of its own: `dvc.repo.Repo` must not be used from threads, of which Prefect has many, and a
no-op run asks once instead of starting DVC once a stage.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvtt.errors import LockedError, PvttError

# Of DVC: another process holds a lock, or the file that says who does is half-written.
LOCK_ERRORS = ("LockError", "RWLockFileCorruptedError", "RWLockFileFormatError")


def dvc(*arguments: str) -> list[str]:
    """The command line of this interpreter's DVC. It waits for another DVC's lock instead of failing on it."""
    return [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]


@dataclass(frozen=True)
class StageGraph:
    """DVC's graph without the `.dvc` files.

    Args:
        order: Stage names, each after all that it depends on.
        upstream: The stages whose outputs a stage reads directly.
        changed: Stages that DVC calls changed in their dependencies, params, command or outputs.
    """

    order: tuple[str, ...]
    upstream: dict[str, frozenset[str]]
    changed: frozenset[str]

    @property
    def stale(self) -> frozenset[str]:
        """The changed stages and everything downstream of them, which may change once they are redone."""
        stale: set[str] = set()
        for stage in self.order:
            if stage in self.changed or self.upstream[stage] & stale:
                stale.add(stage)
        return frozenset(stale)


def read_graph(root: Path) -> StageGraph:
    """Ask DVC for the graph of the project at `root`.

    Raises:
        LockedError: A command of DVC is at work on what DVC has to look at.
        PvttError: DVC cannot read the project; with its own message.
    """
    answer = subprocess.run(
        [sys.executable, "-P", __file__, str(root)],
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    try:
        graph = json.loads(answer.stdout)
    except ValueError:
        message = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        raise PvttError(f"DVC cannot look at {root}: {message}", "try it: `dvc status`") from None
    if "error" in graph:
        raise _explain(root, graph["error"], graph["message"])
    return StageGraph(
        tuple(graph["order"]),
        {stage: frozenset(names) for stage, names in graph["upstream"].items()},
        frozenset(graph["changed"]),
    )


def _explain(root: Path, kind: str, message: str) -> PvttError:
    """DVC's error in words of our own, where its own advice would lose something."""
    line = (message.strip().splitlines() or ["no message"])[0]
    if kind in LOCK_ERRORS:
        return LockedError(f"DVC is at work in {root}: {line}", "wait until it ends, then run the same command again")
    if kind == "SCMError":
        return PvttError(
            f"{root} is no repository of Git: {line}",
            "DVC and the commits of a run need one: work in a clone, or bring its .git back",
        )
    if kind == "NotDvcRepoError":
        return PvttError(f"{root} is no project of DVC: {line}", "work in a clone, or bring its .dvc back")
    return PvttError(f"DVC cannot read {root / 'dvc.yaml'}: {line}", "mend it, then look at it with `dvc dag`")


def _describe(root: str) -> dict[str, Any]:
    from dvc.repo import Repo
    from dvc.repo.reproduce import plan_repro
    from dvc.stage import PipelineStage

    with Repo(root, _wait_for_lock=True) as repo:
        graph = repo.index.graph  # an edge leads from a stage to what it depends on
        stages = [stage for stage in plan_repro(graph) if isinstance(stage, PipelineStage)]
        status = repo.status()
        return {
            "order": [stage.name for stage in stages],
            "upstream": {
                stage.name: [other.name for other in graph.successors(stage) if other in stages] for stage in stages
            },
            "changed": [stage.name for stage in stages if stage.addressing in status],
        }


def _answer(root: str) -> dict[str, Any]:
    from dvc.exceptions import DvcException

    try:
        return _describe(root)
    except DvcException as error:
        return {"error": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    print(json.dumps(_answer(sys.argv[1])))
