"""A run as tables: a contender a line, a figure a column, an axis a table; and a figure of each axis by kind of film.

Means are over triplets, intervals of 95 % over products (`pvtt.stats.bootstrap`). The axes are never merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pvtt.bench.axes import AXES, METRICS, QUESTIONS, BenchMetric, of_axis
from pvtt.bench.kept import FilmFiles, read_films, read_run
from pvtt.bench.people import Scores, summarise_people
from pvtt.records.bench import BenchFilm, BenchRun, RunTriplet
from pvtt.records.votes import VoteSummary
from pvtt.stats.bootstrap import MIN_CLUSTERS, Estimate, cluster_mean, cluster_share

Status = Literal["measured", "not_measured", "too_few"]


@dataclass(frozen=True)
class Cell:
    """A figure of a contender: its mean, or why there is none."""

    status: Status
    n: int  # films
    estimate: Estimate | None = None


@dataclass(frozen=True)
class Line:
    """A contender's figures, in the columns' order."""

    contender: str
    is_control: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Grid:
    """One table."""

    title: str
    says: str
    columns: tuple[BenchMetric, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Made:
    """How many films a contender made, and what it could not."""

    contender: str
    says: str
    is_control: bool
    num_films: int
    failures: tuple[BenchFilm, ...]
    seconds: float  # that its films took together


@dataclass(frozen=True)
class BenchTable:
    """A run, summarised.

    Attributes:
        run: Its record.
        made: A line a contender.
        axes: A table an axis.
        splits: A table each kind of triplet, by the split's name, of one figure an axis.
        films: The record of each film, by contender and triplet.
        votes: What people's votes on pairs of films come to.
    """

    run: BenchRun
    made: tuple[Made, ...]
    axes: tuple[Grid, ...]
    splits: tuple[tuple[str, tuple[Grid, ...]], ...]
    films: Mapping[tuple[str, str], BenchFilm]
    votes: VoteSummary


def make_table(folder: Path) -> BenchTable:
    """Summarise a run.

    Raises:
        MissingInputError, PvttError: As `read_run`; or a film is not what its record says, or a line of votes is none.
    """
    run = read_run(folder)
    films = read_films(folder, run)
    scores: dict[tuple[str, str], Mapping[str, float | None]] = {}
    for contender, triplet in films:
        files = FilmFiles(folder, contender, triplet)
        score = files.read_score()
        if score is None:
            raise files.missing()
        scores[contender, triplet] = score.values
    names = list(dict.fromkeys(name for triplet in run.triplets for name in triplet.splits))
    headlines = tuple(metric for metric in METRICS if metric.is_headline)
    return BenchTable(
        run=run,
        made=tuple(_made(run, contender, films) for contender in run.contenders),
        axes=tuple(_grid(axis, QUESTIONS[axis], of_axis(axis), run, run.triplets, scores) for axis in AXES),
        splits=tuple((name, tuple(_by_kind(name, headlines, run, scores))) for name in names),
        films=films,
        votes=summarise_people(folder, run, films, scores),
    )


def _made(run: BenchRun, contender: str, films: Mapping[tuple[str, str], BenchFilm]) -> Made:
    own = [films[contender, triplet.name] for triplet in run.triplets]
    return Made(
        contender=contender,
        says=run.says[contender],
        is_control=contender in run.controls,
        num_films=sum(film.sha256 is not None for film in own),
        failures=tuple(film for film in own if film.sha256 is None),
        seconds=sum(film.seconds for film in own),
    )


def _by_kind(name: str, columns: tuple[BenchMetric, ...], run: BenchRun, scores: Scores) -> list[Grid]:
    kinds = sorted({triplet.splits[name] for triplet in run.triplets if name in triplet.splits})
    grids = []
    for kind in kinds:
        of_kind = [triplet for triplet in run.triplets if triplet.splits.get(name) == kind]
        grids.append(_grid(kind, f"{name}: {kind}, {len(of_kind)} triplets", columns, run, of_kind, scores))
    return grids


def _grid(
    title: str,
    says: str,
    columns: tuple[BenchMetric, ...],
    run: BenchRun,
    triplets: Sequence[RunTriplet],
    scores: Scores,
) -> Grid:
    lines = []
    for contender in run.contenders:
        cells = tuple(_cell(metric, contender, triplets, scores) for metric in columns)
        lines.append(Line(contender, contender in run.controls, cells))
    return Grid(title, says, columns, tuple(lines))


def _cell(metric: BenchMetric, contender: str, triplets: Sequence[RunTriplet], scores: Scores) -> Cell:
    measured = [
        (value, triplet.product_id)
        for triplet in triplets
        if (value := scores[contender, triplet.name].get(metric.name)) is not None
    ]
    if not measured:
        return Cell("not_measured", 0)
    values, products = [value for value, _ in measured], [product for _, product in measured]
    if len(set(products)) < MIN_CLUSTERS:
        return Cell("too_few", len(values))
    estimate = cluster_share(values, products) if metric.is_share else cluster_mean(values, products)
    return Cell("measured", len(values), estimate)
