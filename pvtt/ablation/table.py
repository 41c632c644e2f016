"""The table: what the experiments that are done measured, as one record that every format is drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pvtt.ablation.basis import STAGE_NAMES, Basis
from pvtt.ablation.experiment import Experiment, plan
from pvtt.ablation.spec import Ablation, Axis, Row
from pvtt.errors import MissingInputError, ParamsError
from pvtt.evaluation.contenders.routes import fixed_routes
from pvtt.evaluation.metrics.metric import Metric
from pvtt.evaluation.scores import all_scores
from pvtt.params.file import parse_params
from pvtt.records.base import Record, read_output
from pvtt.records.dataset import Split
from pvtt.records.evaluation import read_evaluated
from pvtt.records.training import TrainingMetrics
from pvtt.stats.two_level import Measurement, TwoLevelEstimate, paired_difference, two_level_mean

BOOTSTRAP_SEED = 0

Measured = Literal["measured", "too_few", "not_measured"]


class Cell(Record):
    """A metric of a row. `mean` and `difference` are None where the status says why, or there is nothing to compare."""

    status: Measured
    mean: TwoLevelEstimate | None = None
    difference: TwoLevelEstimate | None = None  # to the row that the block is held against, paired


class Line(Record):
    """A row of the table."""

    name: str
    label: str
    seeds: tuple[int, ...]  # whose experiments are done
    planned_seeds: tuple[int, ...]
    cells: dict[str, Cell]  # by metric
    num_parameters: int | None = None  # of the whole transformer
    num_trainable: int | None = None  # in stage 2
    tokens: int | None = None  # the video's patches, and what the conditioning adds to them
    step_seconds: float | None = None  # of a step of stage 2, batch and all
    hours: float | None = None  # all stages of one experiment, tries that were killed included


class Block(Record):
    """One axis: the line that it is held against, then its own."""

    name: str
    label: str
    against: Line
    lines: tuple[Line, ...]


class Column(Record):
    """A metric."""

    name: str
    label: str
    unit: str
    better: str  # ↑, ↓, or empty
    says: str


class Table(Record):
    """The whole table."""

    title: str
    says: str
    split: Split
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    num_products: int  # in any experiment
    num_done: int
    num_experiments: int
    basis: str  # of code, params, data and models, the same for all lines

    def lines(self) -> tuple[Line, ...]:
        """Each row once, the reference first."""
        found = {line.name: line for block in self.blocks for line in (block.against, *block.lines)}
        return tuple(found.values())


def make_table(ablation: Ablation, basis: Basis, folder: Path, *, timed: bool = True) -> Table:
    """The table of what is done.

    Args:
        ablation: The file.
        basis: The ablation's.
        folder: The ablation's.
        timed: With what a clock measured. Without, equal experiments give equal bytes.

    Raises:
        MissingInputError: Nothing is done.
    """
    experiments = plan(ablation, basis, folder)
    done = [experiment for experiment in experiments if experiment.is_done]
    if not done:
        raise MissingInputError(
            f"no experiment of {folder.name} is done",
            "run `pvtt ablate run` first, and `pvtt ablate status` to see how far",
        )
    scores = {score.name: score for score in all_scores(routes=fixed_routes())}
    columns = [scores[name] for name in ablation.metrics]
    by_row = {row.name: [one for one in done if one.row.name == row.name] for row in ablation.rows()}
    measured = {
        name: {score.name: _measurements(of_row, ablation.split, score) for score in columns}
        for name, of_row in by_row.items()
    }
    least = _least(experiments[0])

    def line(row: Row, label: str, against: str | None) -> Line:
        others = None if against is None or against == row.name else measured[against]
        cells = {
            score.name: _cell(
                score, measured[row.name][score.name], None if others is None else others[score.name], least
            )
            for score in columns
        }
        return _line(ablation, row, label, by_row[row.name], cells, timed)

    blocks = []
    for axis in ablation.axes:
        against = ablation.row(axis.against or ablation.reference.name)
        blocks.append(
            Block(
                name=axis.name,
                label=axis.label,
                against=line(against, axis.against_label or against.label, None),
                lines=tuple(line(row, row.label, against.name) for row in _own_rows(axis, against)),
            )
        )
    products = {one.product for of_row in measured.values() for values in of_row.values() for one in values}
    return Table(
        title=ablation.title,
        says=ablation.says,
        split=ablation.split,
        columns=tuple(
            Column(name=score.name, label=score.label, unit=score.unit, better=score.better, says=score.says)
            for score in columns
        ),
        blocks=tuple(blocks),
        num_products=len(products),
        num_done=len(done),
        num_experiments=len(experiments),
        basis=basis.id[:12],
    )


def _own_rows(axis: Axis, against: Row) -> tuple[Row, ...]:
    return tuple(row for row in axis.rows if row.name != against.name)


@dataclass(frozen=True)
class _Least:
    """With fewer of a seed's samples, or fewer products, a metric is too few."""

    samples: int
    products: int


def _least(experiment: Experiment) -> _Least:
    evaluate = experiment.values["evaluate"]
    return _Least(evaluate["min_n"], evaluate["min_products"])


def _measurements(experiments: Sequence[Experiment], split: Split, score: Metric) -> list[Measurement]:
    """A metric's values of a row, of all its seeds that are done."""
    found = []
    for experiment in experiments:
        for sample in read_evaluated(experiment.workspace.out("evaluate")):
            value = sample.metrics.get(score.name)
            if sample.split == split and value is not None:
                weight = 1.0 if score.weight is None else score.weight(sample.metrics)
                found.append(Measurement(experiment.seed, sample.product_id, sample.key, value, weight))
    return found


def _cell(score: Metric, row: Sequence[Measurement], against: Sequence[Measurement] | None, least: _Least) -> Cell:
    if not row:
        return Cell(status="not_measured")
    per_seed = [sum(one.seed == seed for one in row) for seed in {one.seed for one in row}]
    if min(per_seed) < least.samples or len({one.product for one in row}) < least.products:
        return Cell(status="too_few")
    mean = two_level_mean(row, seed=BOOTSTRAP_SEED)
    difference = None if against is None else paired_difference(row, against, seed=BOOTSTRAP_SEED)
    return Cell(
        status="measured",
        mean=as_share(mean) if score.chance else mean,
        difference=None if difference is None or difference.num_products < least.products else difference,
    )


def as_share(estimate: TwoLevelEstimate) -> TwoLevelEstimate:
    """A share's interval ends at 0 and 1, which Student's t knows nothing of."""
    return replace(estimate, low=max(0.0, estimate.low), high=min(1.0, estimate.high))


def _line(
    ablation: Ablation, row: Row, label: str, done: Sequence[Experiment], cells: Mapping[str, Cell], timed: bool
) -> Line:
    trained = None
    if done:
        trained = read_output(done[0].workspace.metrics / "train_stage2.json", TrainingMetrics, "train_stage2")
    return Line(
        name=row.name,
        label=label,
        seeds=tuple(one.seed for one in done),
        planned_seeds=ablation.seeds_of(row),
        cells=dict(cells),
        num_parameters=None if trained is None else trained.num_parameters,
        num_trainable=None if trained is None else trained.num_trainable,
        tokens=_tokens(done[0]) if done else None,
        step_seconds=_step_seconds(done) if timed else None,
        hours=sum(one.seconds() for one in done) / len(done) / 3600 if timed and done else None,
    )


def _tokens(experiment: Experiment) -> int | None:
    """A sample's patches and what the conditioning adds; None where the code no longer knows the params."""
    from pvtt.models.loading import read_transformer_config
    from pvtt.models.summary import part_costs

    try:
        params = parse_params(experiment.values)
    except ParamsError:
        return None
    config = read_transformer_config(experiment.workspace.root / params.model.base)
    return sum(cost.tokens for cost in part_costs(params, config, params.model.conditioning))


def _step_seconds(done: Sequence[Experiment]) -> float | None:
    tries = [one for experiment in done for one in experiment.attempts() if one.stage == STAGE_NAMES[2] and one.steps]
    steps = sum(one.steps for one in tries)
    return sum(one.steps_seconds for one in tries) / steps if steps else None
