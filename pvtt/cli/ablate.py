"""`pvtt ablate`: rows of changed params, each trained with several seeds, in one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvtt.ablation.experiment import Experiment
    from pvtt.ablation.spec import Ablation

FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group()
def command() -> None:
    """Train rows of changed params with several seeds, and put them into one table.

    \b
      pvtt ablate run infra/ablations/paper.yaml          hours; kill it at any time and run it again
      pvtt ablate status infra/ablations/paper.yaml       how far it is, and what failed
      pvtt ablate table infra/ablations/paper.yaml        Markdown, LaTeX, a plot, a contact sheet
    """


def _folder(file: Path) -> Path:
    from pvtt.files.workspace import find_workspace

    return find_workspace().state / "ablations" / file.stem


def _known(file: Path) -> tuple[Ablation, list[Experiment], Path]:
    """An ablation that has run before, on its own basis."""
    from pvtt.ablation.basis import read_basis
    from pvtt.ablation.experiment import plan
    from pvtt.ablation.spec import load_ablation
    from pvtt.errors import MissingInputError

    ablation, folder = load_ablation(file), _folder(file)
    basis = read_basis(folder)
    if basis is None:
        raise MissingInputError(f"{file} has not run yet", f"start it: pvtt ablate run {file}")
    return ablation, plan(ablation, basis, folder), folder


@command.command()
@FILE
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="At a time, one thread each.")
@click.option("--only", multiple=True, metavar="ROW", help="Only this row; may be given several times.")
@click.option("--renew", is_flag=True, help="Take code, params and data as they are now.")
@click.option("--dry-run", is_flag=True, help="Check the file and say what would run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def run(file: Path, jobs: int, only: tuple[str, ...], renew: bool, dry_run: bool, as_json: bool) -> None:
    """Run the experiments of FILE that are not done yet; those that failed are tried again.

    Each lies in its own workspace below .pvtt/ablations. Exit code 0: all done; 4: some failed, the others are done; 5:
    another process runs some; otherwise as always.
    """
    from pvtt.ablation.basis import describe_basis, fix_basis, project_values, read_keys
    from pvtt.ablation.experiment import plan
    from pvtt.ablation.queue import run_experiments
    from pvtt.ablation.spec import check_rows, load_ablation
    from pvtt.ablation.trainable import check_trainable
    from pvtt.errors import PvttError
    from pvtt.files.workspace import find_workspace

    project, ablation, folder = find_workspace(), load_ablation(file), _folder(file)
    ablation.require_rows(only)
    check_rows(ablation, project_values(project), read_keys())
    check_trainable(ablation, project_values(project), project)
    if dry_run:
        experiments = plan(ablation, describe_basis(ablation, project), folder, only)
        _show(experiments, as_json, jobs, with_changes=True)
        return
    experiments = plan(ablation, fix_basis(ablation, project, folder, renew=renew), folder, only)
    try:
        run_experiments(experiments, project, jobs)
    except PvttError:
        if as_json:
            _show(experiments, as_json, jobs)
        raise
    _show(experiments, as_json, jobs)


@command.command()
@FILE
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="At a time, for the estimate.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(file: Path, jobs: int, as_json: bool) -> None:
    """Say which experiments of FILE are done, running, waiting, or failed and why, and about how long is left."""
    _, experiments, _ = _known(file)
    _show(experiments, as_json, jobs)


@command.command()
@FILE
@click.option("--format", "kind", type=click.Choice(["md", "latex", "json"]), default="md", show_default=True)
@click.option("--time/--no-time", "timed", default=True, help="With what a clock measured.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write all formats, plot and sheet here.")
def table(file: Path, kind: str, timed: bool, out: Path | None) -> None:
    """Print the table of what is done of FILE; --out writes table.md, .tex, .json, plot.svg and sheet.png."""
    from pvtt.ablation.basis import read_basis
    from pvtt.ablation.table import make_table
    from pvtt.ablation.text import to_latex, to_markdown

    ablation, _, folder = _known(file)
    basis = read_basis(folder)
    assert basis is not None
    made = make_table(ablation, basis, folder, timed=timed)
    texts = {"md": to_markdown(made), "latex": to_latex(made), "json": made.to_json(indent=1) + "\n"}
    if out is None:
        click.echo(texts[kind], nl=False)
        return
    from pvtt.ablation.plot import draw_plot
    from pvtt.ablation.sheet import draw_sheet
    from pvtt.files.atomic import atomic_write_text

    for name, text in (("table.md", texts["md"]), ("table.tex", texts["latex"]), ("table.json", texts["json"])):
        atomic_write_text(out / name, text)
    draw_plot(made, out / "plot.svg")
    draw_sheet(ablation, basis, folder, out / "sheet.png")
    click.echo(f"{out}: {made.num_done} of {made.num_experiments} experiments")


def _show(experiments: Sequence[Experiment], as_json: bool, jobs: int, *, with_changes: bool = False) -> None:
    from pvtt.ablation.experiment import seconds_left
    from pvtt.ablation.queue import in_words

    states = [_state(experiment) for experiment in experiments]
    left = seconds_left(experiments, jobs)
    if as_json:
        click.echo(json.dumps({"experiments": states, "seconds_left": left}, indent=1))
        return
    for state, experiment in zip(states, experiments, strict=True):
        note = state["note"]
        changes = "  " + " ".join(experiment.row.set) if with_changes else ""
        click.echo(f"{state['status']:8} {experiment.name:32}{changes}{note}")
    done = sum(state["status"] == "done" for state in states)
    about = "" if left is None or done == len(states) else f"; about {in_words(left)} left with {jobs} at a time"
    click.echo(f"{done} of {len(states)} experiments are done{about}")


def _state(experiment: Experiment) -> dict[str, object]:
    """For people and scripts."""
    outcome, progress = experiment.outcome(), experiment.progress()
    status = experiment.status()
    state: dict[str, object] = {
        "row": experiment.row.name,
        "seed": experiment.seed,
        "status": status,
        "workspace": str(experiment.workspace.root),
        "seconds": experiment.seconds(),
        "note": "",
    }
    if status == "running" and progress is not None:
        state["note"] = f"  {progress.stage} {progress.done}/{progress.total} {progress.unit}  {progress.note}".rstrip()
    elif status == "failed" and outcome is not None and outcome.failure is not None:
        log = experiment.workspace.state / "logs" / f"{outcome.stage}.log"
        state["note"] = f"  {outcome.stage}: {outcome.failure.message} (log: {log})"
        state["failure"] = {"stage": outcome.stage, **outcome.failure.model_dump()}
    return state
