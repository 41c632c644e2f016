"""Where things are: one place that knows the layout on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pvtt.errors import MissingInputError


@dataclass(frozen=True)
class Workspace:
    """The directories of one project checkout.

    `data`, `outs`, `metrics` and `models` are versioned by DVC or Git; `state` is this machine's own
    (item cache, checkpoints in progress, locks, logs) and can be deleted at the price of work done again.
    """

    root: Path

    @property
    def data(self) -> Path:
        """Crawled raw data, the version in `data.dvc`."""
        return self.root / "data"

    def out(self, stage: str) -> Path:
        """A stage's output directory."""
        return self.root / "outs" / stage

    @property
    def metrics(self) -> Path:
        return self.root / "metrics"

    @property
    def ratings(self) -> Path:
        """Human ratings, one JSON Lines file a rated run."""
        return self.root / "ratings"

    @property
    def reviews(self) -> Path:
        """A person's answers on doubtful masks and cut-outs."""
        return self.root / "reviews"

    @property
    def params_file(self) -> Path:
        return self.root / "params.yaml"

    @property
    def state(self) -> Path:
        return self.root / ".pvtt"

    @property
    def home(self) -> Path:
        """The checkout that this one is a temporary copy of; `root` where it is none.

        `dvc exp run --temp` works in `<home>/.dvc/tmp/exps/standalone/<name>`, `--queue` in
        `<home>/.dvc/tmp/exps/<name>`, and DVC deletes the copy in the end.
        """
        copies = (folder for folder in self.root.parents if folder.parts[-3:] == (".dvc", "tmp", "exps"))
        folder = next(copies, None)
        return self.root if folder is None else folder.parents[2]

    @property
    def cache(self) -> Path:
        """The item cache, which a temporary copy shares with its home.

        `PVTT_CACHE_DIR` moves it, for example to a disk that several checkouts share.
        """
        return Path(os.environ.get("PVTT_CACHE_DIR") or self.home / ".pvtt" / "cache")

    @property
    def checkpoints(self) -> Path:
        return self.state / "checkpoints"

    @property
    def progress(self) -> Path:
        """`progress/<stage>.json`, which the flow mirrors into Prefect."""
        return self.state / "progress"

    @property
    def failures(self) -> Path:
        """`failures/<stage>.json`, in which a stage that the flow started says why it failed."""
        return self.state / "failures"


def find_workspace(start: Path | None = None) -> Workspace:
    """The nearest directory at or above `start` that holds a `params.yaml`; `start` itself where none does."""
    here = (start or Path.cwd()).resolve()
    for directory in (here, *here.parents):
        if (directory / "params.yaml").is_file():
            return Workspace(directory)
    return Workspace(here)


def require_output(path: Path, stage: str) -> Path:
    """`path`, which a stage writes.

    Raises:
        MissingInputError: It is not there; says how to run the stage.
    """
    if not path.exists():
        raise MissingInputError(f"{path} does not exist", f"run `dvc repro {stage}` (or `pvtt {stage}`) first")
    return path
