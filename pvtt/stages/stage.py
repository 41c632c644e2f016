"""What a stage is: one object, from which its command, its help, its part of `dvc.yaml` and its cache key follow."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.items.runner import Item, Outcome
    from pvtt.params.file import Params
    from pvtt.records.base import Record

FOLDER = "pvtt.stages"


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline; its module in `pvtt.stages` has the same name and a function `run`.

    Modules of stages import what they need inside their functions, so that all of them can be listed at once.

    Args:
        name: As in `dvc.yaml`, in `pvtt <name>`, in `outs/<name>` and in profiles.
        help: One line for a person.
        reads: Files and folders below the workspace that it depends on. `${model.base}` is the params' value, and
            so is `${model.champion}`.
        params: Keys of `params.yaml` that it depends on: sections, or values in them.
        writes: Files and folders that it makes, kept by DVC.
        metrics: Files that it makes, kept by Git.
        work: What one item, or the whole stage where it is one job, is worked on with: `module:function`.
        on_gpu: Its items are worked on with a GPU where there is one.
        distributed: Several processes may act as one: it may be started by `torchrun` and `accelerate launch`.
    """

    name: str
    help: str
    reads: tuple[str, ...]
    params: tuple[str, ...]
    writes: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    work: str | None = None
    on_gpu: bool = False
    distributed: bool = False

    @property
    def sections(self) -> tuple[str, ...]:
        """The modules of `pvtt.params` with the schema, and so the defaults, of what it reads."""
        sections = {key.partition(".")[0] for key in self.params}
        return tuple(f"pvtt.params.{name}" for name in sorted(sections - {"seed", "profile"}))

    @property
    def profile_part(self) -> Literal["stages", "runs"] | None:
        """The part of a Slurm profile that may name it: `runs` for one job, `stages` for shards, else None."""
        if self.work is None:
            return None
        return "runs" if self.distributed else "stages"

    def code_files(self, root: Path | None = None) -> dict[str, Path]:
        """The source that its outputs depend on, by place below `root`: its own, its work's, and its params' schema."""
        from pvtt.files.code import code_files

        works = [f"{FOLDER}.{self.name}:run", *([self.work] if self.work else [])]
        return code_files(*works, modules=self.sections, root=root)

    def run(self, workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
        """Bring its outputs up to date with its inputs; raises as the function `run` of its module."""
        importlib.import_module(f"{FOLDER}.{self.name}").run(workspace, params, dispatcher)

    def load_work(self) -> Callable[..., Any]:
        """The function behind `work`."""
        if self.work is None:
            raise ValueError(f"{self.name} has no work of its own")
        module, _, function = self.work.partition(":")
        work: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return work

    def work_on(
        self, items: Sequence[Item[Any]], params: Record, workspace: Workspace, dispatcher: Dispatcher
    ) -> Outcome[Any]:
        """Bring all items to a result of the type that `work` returns. Arguments and errors as `run_items`."""
        from pvtt.items.runner import run_items

        return run_items(self.name, items, self.load_work(), params, workspace, dispatcher)
