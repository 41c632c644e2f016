"""`pvtt report`: the stage, and runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from pvtt.cli.stage import describe, run_stage
from pvtt.stages.report import STAGE

ABOUT = """--compare RUN RUN ... writes runs side by side into .pvtt/compare: a page, Markdown, LaTeX and JSON. A RUN is
a folder of a workspace (. is this one), a revision of Git (HEAD, a branch, a commit) or the name of a DVC experiment.
What Git does not hold of a revision comes from DVC's cache, or its remote.

--here writes .pvtt/report only: the report's page and the cards once more, with what differs from clone to clone and so
is in no output of DVC: commit, date, hours, machine, cost, change since the last committed run. `pvtt report` writes it
too.
"""


@click.command(name=STAGE.name, help=f"{describe(STAGE)}\n\n{ABOUT}", short_help=STAGE.help)
@click.option("--compare", "comparing", is_flag=True, help="Put the RUNs side by side; the others against the first.")
@click.option("--here", "only_here", is_flag=True, help="Write .pvtt/report only.")
@click.option("--json", "as_json", is_flag=True, help="With --compare: print the comparison as JSON.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="With --compare: the folder.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
def command(comparing: bool, only_here: bool, as_json: bool, output: Path | None, runs: tuple[str, ...]) -> None:
    if comparing and not only_here:
        _compare(runs, output, as_json)
        return
    if comparing or runs or as_json or output is not None:
        raise click.UsageError("RUNs, --json and --output belong to --compare, which goes without --here")
    from pvtt.stages.here import read_price

    read_price()  # a wrong one is refused before anything starts
    if not only_here:
        run_stage(STAGE)
    _write_here()


def _compare(names: tuple[str, ...], output: Path | None, as_json: bool) -> None:
    from pvtt.files.atomic import atomic_write_text
    from pvtt.files.workspace import find_workspace
    from pvtt.report.compare.page import render_comparison
    from pvtt.report.compare.pictures import picture_rows
    from pvtt.report.compare.sources import find_run
    from pvtt.report.compare.table import compare_runs, require_runs
    from pvtt.report.compare.text import compared_latex, compared_markdown

    workspace = find_workspace()
    require_runs(names)
    runs = [find_run(name, workspace.root, Path.cwd()) for name in names]
    comparison = compare_runs(runs)
    page = render_comparison(comparison, picture_rows(runs, comparison))
    folder = output or workspace.state / "compare" / "-".join(run.run_id for run in comparison.runs)
    atomic_write_text(folder / "compare.html", page)
    atomic_write_text(folder / "compare.md", compared_markdown(comparison))
    atomic_write_text(folder / "compare.tex", compared_latex(comparison))
    atomic_write_text(folder / "compare.json", comparison.to_json(indent=2) + "\n")
    if as_json:
        click.echo(comparison.to_json(indent=2))
        return
    click.echo(comparison.says)
    click.echo(f"comparison: {folder / 'compare.html'}")


def _write_here() -> None:
    from pvtt.files.workspace import find_workspace
    from pvtt.params.file import load_params
    from pvtt.stages.here import write_here

    workspace = find_workspace()
    page = write_here(workspace, load_params(workspace.params_file))
    click.echo(f"with commit, hours and cost: {page}")
