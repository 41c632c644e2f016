"""What an ablation tries: a file of rows, each a set of changed params, and the seeds that each is trained with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from pvtt.errors import MissingInputError, ParamsError
from pvtt.params.file import Params, parse_params
from pvtt.params.overrides import Values, overridden, parse_override
from pvtt.records.base import Record, faults_of
from pvtt.records.dataset import Split

FOLDER = "infra/ablations"
SEED = "seed"  # the key of `params.yaml` that a seed of the ablation sets

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]  # also a folder's
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, le=2**32 - 1)], ...], Field(min_length=1)]


class Row(Record):
    """One line of the table."""

    name: Name
    label: str
    set: tuple[str, ...] = ()  # changes of params, as for `dvc exp run -S`
    seeds: Seeds | None = None  # None: the file's


class Axis(Record):
    """Rows that belong together: one block of the table."""

    name: Name
    label: str
    against: Name | None = None  # the row that its differences are to; None: the reference
    against_label: str | None = None  # what that row is called in this block; None: its own label
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]


class Ablation(Record):
    """The whole file."""

    title: str
    says: str  # what it asks, for the reader of the table
    data: str = "."  # the workspace that has clips, masks, photos and entries; relative to the project
    seeds: Seeds
    split: Split = "test"
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]  # the table's columns: names of `metrics/evaluate.json`
    fixed: tuple[str, ...] = ()  # changes of params that all rows share
    reference: Row
    axes: Annotated[tuple[Axis, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [row.name for row in self.rows()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rows are called {twice[0]}")
        for axis in self.axes:
            if axis.against is not None and axis.against not in names:
                raise ValueError(f"axis {axis.name}: there is no row {axis.against}; the rows are {', '.join(names)}")
        for row in self.rows():
            if len(set(self.seeds_of(row))) != len(self.seeds_of(row)):
                raise ValueError(f"row {row.name}: a seed stands twice")
            if any(parse_override(text)[0] == SEED for text in (*self.fixed, *row.set)):
                raise ValueError(f"row {row.name}: {SEED} is set by `seeds`")
        return self

    def rows(self) -> Iterator[Row]:
        """All of them, the reference first."""
        yield self.reference
        for axis in self.axes:
            yield from axis.rows

    def row(self, name: str) -> Row:
        """The row of that name. Raises `StopIteration`."""
        return next(row for row in self.rows() if row.name == name)

    def seeds_of(self, row: Row) -> tuple[int, ...]:
        """What a row is trained with."""
        return self.seeds if row.seeds is None else row.seeds

    def overrides(self, row: Row, seed: int) -> tuple[str, ...]:
        """All changes of params that make an experiment."""
        return (*self.fixed, *row.set, f"{SEED}={seed}")

    def require_rows(self, names: tuple[str, ...]) -> None:
        """Raises `ParamsError` if a name is no row's, with those that are."""
        known = [row.name for row in self.rows()]
        for name in names:
            if name not in known:
                raise ParamsError(f"there is no row {name}", f"the rows are: {', '.join(known)}")


def load_ablation(path: Path) -> Ablation:
    """Read an ablation's file. Its rows are not held against the params yet: `check_rows` does that.

    Raises:
        MissingInputError: There is no such file; names those there are.
        ParamsError: It is not YAML, or not an ablation; names every wrong key.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(f"{path} does not exist", f"the project's own ablations are in {FOLDER}") from None
    except YAMLError as error:
        where = str(error).replace("\n", " ")
        raise ParamsError(f"{path} is not YAML: {where}", f"see the files in {FOLDER}") from None
    try:
        return Ablation.from_json(json.dumps(data))
    except ValidationError as error:
        faults = "; ".join(fault.replace("Value error, ", "") for fault in faults_of(error))
        raise ParamsError(f"{path}: {faults}", "docs/ablation.md explains the file") from None


def row_params(ablation: Ablation, values: Values, row: Row, seed: int) -> Params:
    """The params of an experiment, checked.

    Args:
        ablation: The file.
        values: The project's params.
        row: Of the ablation.
        seed: Of its seeds.

    Raises:
        ParamsError: They do not fit the schema; names the row.
    """
    return parse_params(overridden(values, ablation.overrides(row, seed)), f"row {row.name}")


def check_rows(ablation: Ablation, values: Values, read: frozenset[str]) -> None:
    """Hold all rows and metrics against what there is.

    Args:
        ablation: The file.
        values: The project's params.
        read: Keys of params that the stages of an experiment depend on.

    Raises:
        ParamsError: A row does not fit the schema, changes what no stage reads, or is another row again; or a metric is
            none of the evaluation's, or has no value for a single sample.
    """
    seen: dict[str, str] = {}
    for row in ablation.rows():
        for text in row.set:
            key, _ = parse_override(text)
            if not any(key == name or key.startswith(f"{name}.") or name.startswith(f"{key}.") for name in read):
                raise ParamsError(
                    f"row {row.name}: no stage of an experiment reads {key}",
                    "encode, train_stage1, train_stage2 and evaluate run; docs/params.md says what reads a key",
                )
        params = row_params(ablation, values, row, ablation.seeds_of(row)[0])
        content = params.model_copy(update={SEED: 0}).to_json()
        if content in seen:
            raise ParamsError(f"rows {seen[content]} and {row.name} have the same params", "keep one of them")
        seen[content] = row.name
    _check_metrics(ablation)


def _check_metrics(ablation: Ablation) -> None:
    from pvtt.evaluation.contenders.routes import fixed_routes
    from pvtt.evaluation.scores import all_scores

    known: dict[str, Any] = {score.name: score for score in all_scores(routes=fixed_routes())}
    for name in ablation.metrics:
        if name not in known:
            raise ParamsError(f"metrics: there is no {name}", "metrics/evaluate.json has the names")
        if known[name].measure is None and known[name].difference is None:
            raise ParamsError(f"metrics: {name} has no value for a single sample", "take another for the table")
