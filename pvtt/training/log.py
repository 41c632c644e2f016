"""Weights & Biases. Offline by default: nothing leaves the machine until someone runs `wandb sync`.

A training that is stopped and continued is one run. Each part leaves a record of its own, which begins with the rows of
the parts before: a part that was killed loses nothing, and the newest record is the whole run.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pvtt.errors import first_line


class TrainingLog:
    """Sends a training's numbers to W&B. Its failure is reported and never stops a training.

    Args:
        mode: `disabled` does nothing and imports nothing.
        folder: Where W&B keeps its files; `<folder>/wandb` appears there.
        name: Name that W&B shows the training under.
        run_id: W&B's name of the run, up to 64 letters, digits and dashes: the same for each part of a training.
        config: The params that W&B records with it.
    """

    def __init__(
        self,
        mode: Literal["offline", "online", "disabled"],
        folder: Path,
        name: str,
        run_id: str,
        config: dict[str, Any],
    ) -> None:
        self._mode = mode
        self._folder = folder
        self._name = name
        self._run_id = run_id
        self._config = config
        self._run: Any = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def _open(self) -> None:
        if self._mode != "disabled":
            os.environ.setdefault("WANDB_SILENT", "true")
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
            try:
                import wandb

                self._folder.mkdir(parents=True, exist_ok=True)
                self._run = wandb.init(
                    project="pvtt",
                    name=self._name,
                    id=self._run_id,
                    resume="allow" if self._mode == "online" else None,
                    config=self._config,
                    dir=self._folder,
                    mode=self._mode,
                    settings=wandb.Settings(
                        console="off", disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True
                    ),
                )
            except Exception as error:  # wandb raises many kinds
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._run, self._mode = None, "disabled"
        print(f"W&B is off for this training: {first_line(error)}", file=sys.stderr)

    def log(self, values: dict[str, float], step: int) -> None:
        """Log numbers at a step, not before that of the last call."""
        if self._run is None:
            self._open()  # after a `finish`
        if self._run is not None:
            try:
                self._run.log(values, step=step)
            except Exception as error:
                self._give_up(error)

    def finish(self, exit_code: int = 0) -> None:
        """Write down all that was logged; a later `log` begins another part of the run."""
        run, self._run = self._run, None
        if run is not None:
            try:
                import wandb

                run.finish(exit_code=exit_code)
                wandb.teardown()  # waits until W&B's own process has written all; `finish` does not
            except Exception as failure:
                self._give_up(failure)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(0 if kind is None else 1)
