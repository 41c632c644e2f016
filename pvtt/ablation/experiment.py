"""One experiment: a row of the ablation with one seed, in a workspace of its own.

<ablation>/experiments/<row>/seed-<n>/
    params.yaml                     the row's, complete
    pvtt, models, infra             links to the basis' code and to the project
    outs/{clip,photos,segment,validate}    links to the data
    outs/{encode,train_stage1,…}, metrics  what its stages make
    .pvtt/experiment.lock           held while it runs, and free as soon as whoever held it is dead
    .pvtt/finished/<stage>.json     what the stage's result was made from
    .pvtt/attempts.jsonl            how long each try of a stage took
    outcome.json                    done, or why it failed
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pvtt.ablation.basis import STAGE_NAMES, Basis, code_folder, data_workspace, stages
from pvtt.ablation.spec import Ablation, Row
from pvtt.errors import LockedError
from pvtt.files.append import append_line
from pvtt.files.atomic import atomic_write_text
from pvtt.files.code import PACKAGE
from pvtt.files.hashing import sha256_json
from pvtt.files.lock import hold_lock, is_held
from pvtt.files.workspace import Workspace
from pvtt.params.file import parse_params
from pvtt.params.overrides import Values, overridden, value_of
from pvtt.records.base import Record, read_appended
from pvtt.records.process import Failure, ProgressState, read_left
from pvtt.stages.stage import Stage

FOLDER = "experiments"
OUTCOME_FILE = "outcome.json"
DATA_STAGES = ("clip", "photos", "segment", "validate")
LINKED = ("models", "infra")  # of the project
ASK_AGAIN_S = 0.2

Status = Literal["waiting", "running", "failed", "done"]


class Outcome(Record):
    """What came of an experiment; `failure` and `stage` are of one that failed."""

    key: str  # of the experiment that it is the outcome of
    stage: str | None = None
    failure: Failure | None = None


class Finished(Record):
    """A stage's result is there."""

    key: str  # a hash of all that it depends on


class Attempt(Record):
    """One try of a stage, whether or not it came to an end."""

    stage: str
    seconds: float
    steps: int = 0  # of training, between the first and the last that was seen
    steps_seconds: float = 0.0  # that these took, checkpoints and held-out samples included


@dataclass(frozen=True)
class Experiment:
    """A row with a seed.

    Args:
        ablation: The file.
        basis: What it shares with the others.
        row: Its row.
        seed: Its seed.
        folder: The ablation's.
    """

    ablation: Ablation
    basis: Basis
    row: Row
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """For people: `product_tokens seed 1`."""
        return f"{self.row.name} seed {self.seed}"

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder / FOLDER / self.row.name / f"seed-{self.seed}")

    @cached_property
    def values(self) -> Values:
        """Its params."""
        return overridden(self.basis.params, self.ablation.overrides(self.row, self.seed))

    @cached_property
    def key(self) -> str:
        """A hash of everything that its result depends on."""
        return sha256_json([self.basis.id, self.values])

    @cached_property
    def stage_keys(self) -> dict[str, str]:
        """The same for each stage, so that a change makes no more again than it must."""
        keys: dict[str, str] = {}
        before = sha256_json(self.basis.inputs)
        for stage in stages():
            read = {key: value_of(self.values, key) for key in stage.params}
            before = keys[stage.name] = sha256_json([stage.name, self.basis.code[stage.name], read, before])
        return keys

    @cached_property
    def samples_key(self) -> str:
        """A hash of what its samples depend on: rows with equal samples encode them once."""
        params = parse_params(self.values)
        encode, model = params.encode, params.model
        seed = params.seed if encode.seed is None else encode.seed
        read = [encode.model_copy(update={"seed": None}).to_json(), model.base, model.encoded_extras, seed]
        return sha256_json([self.basis.code["encode"], self.basis.inputs, read])

    # -- what it is now

    @property
    def lock(self) -> Path:
        return self.workspace.state / "experiment.lock"

    def outcome(self) -> Outcome | None:
        """What came of it; None where nothing did yet, or what is there is of other params, code or data."""
        outcome = read_left(self.workspace.root / OUTCOME_FILE, Outcome)
        return outcome if outcome is not None and outcome.key == self.key else None

    def status(self) -> Status:
        if is_held(self.lock):
            return "running"
        outcome = self.outcome()
        if outcome is None:
            return "waiting"
        return "done" if outcome.failure is None else "failed"

    @property
    def is_done(self) -> bool:
        """Whether its result is there, whoever holds it."""
        outcome = self.outcome()
        return outcome is not None and outcome.failure is None

    def is_finished(self, stage: Stage) -> bool:
        """Whether a stage's result is there and up to date."""
        finished = read_left(self._finished_file(stage.name), Finished)
        return finished is not None and finished.key == self.stage_keys[stage.name]

    def progress(self) -> ProgressState | None:
        """How far the stage in work is; None between stages."""
        states = (read_left(self.workspace.progress / f"{name}.json", ProgressState) for name in STAGE_NAMES)
        return next((state for state in states if state is not None), None)

    def attempts(self) -> list[Attempt]:
        """All tries of its stages."""
        return read_appended(self._attempts_file, Attempt)

    def seconds(self) -> float:
        """That it has taken, tries that were killed included."""
        return sum(attempt.seconds for attempt in self.attempts())

    # -- what a run writes

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold its lock for the block. Raises `LockedError` where another process does."""
        what = f"pvtt ablate run, {self.name}"
        with ExitStack() as stack:
            try:
                stack.enter_context(hold_lock(self.lock, what))
            except LockedError:
                time.sleep(ASK_AGAIN_S)  # whoever only asked whether it is held has let go by then
                stack.enter_context(hold_lock(self.lock, what))
            yield

    def prepare(self, project: Workspace) -> None:
        """Write its params and links; what is there of an earlier outcome no longer counts."""
        root = self.workspace.root
        root.mkdir(parents=True, exist_ok=True)
        (root / OUTCOME_FILE).unlink(missing_ok=True)
        atomic_write_text(self.workspace.params_file, _as_yaml(self.values))
        data = data_workspace(self.ablation, project)
        _link(root / PACKAGE, code_folder(self.folder, self.basis) / PACKAGE)
        for name in LINKED:
            _link(root / name, project.root / name)
        for stage in DATA_STAGES:
            _link(self.workspace.out(stage), data.out(stage))

    def write_finished(self, stage: Stage) -> None:
        """Note that a stage's result is there."""
        atomic_write_text(self._finished_file(stage.name), Finished(key=self.stage_keys[stage.name]).to_json())

    def write_outcome(self, stage: str | None = None, failure: Failure | None = None) -> None:
        """Note what came of it."""
        outcome = Outcome(key=self.key, stage=stage, failure=failure)
        atomic_write_text(self.workspace.root / OUTCOME_FILE, outcome.to_json(indent=1) + "\n")

    def add_attempt(self, attempt: Attempt) -> None:
        """Note how long a try took."""
        append_line(self._attempts_file, attempt.to_json())

    def _finished_file(self, stage: str) -> Path:
        return self.workspace.state / "finished" / f"{stage}.json"

    @property
    def _attempts_file(self) -> Path:
        return self.workspace.state / "attempts.jsonl"


def plan(ablation: Ablation, basis: Basis, folder: Path, only: Sequence[str] = ()) -> list[Experiment]:
    """All experiments, or those of some rows: the first seed of every row before the second of any.

    A whole table with one seed is there early, and gets its intervals over seeds later.
    """
    rows = [row for row in ablation.rows() if not only or row.name in only]
    longest = max(len(ablation.seeds_of(row)) for row in rows)
    return [
        Experiment(ablation, basis, row, ablation.seeds_of(row)[turn], folder)
        for turn in range(longest)
        for row in rows
        if turn < len(ablation.seeds_of(row))
    ]


def seconds_left(experiments: Sequence[Experiment], jobs: int) -> float | None:
    """An estimate with `jobs` at a time, from what the experiments that are done have taken; None before one is."""
    known = [one.seconds() for one in experiments if one.is_done]
    if not known:
        return None
    mean = sum(known) / len(known)
    left = [max(0.0, mean - one.seconds()) for one in experiments if not one.is_done]
    return max([sum(left) / jobs, *left], default=0.0)


def _link(link: Path, target: Path) -> None:
    """A symbolic link in place of any other; none where there is nothing to lead to."""
    if link.is_symlink() and link.readlink() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    if target.exists():
        link.symlink_to(target)


def _as_yaml(values: Values) -> str:
    """JSON is YAML, and this one is as long as the params are."""
    return json.dumps(values, indent=1) + "\n"
