"""`pvtt decide`: the stage, and two ways to ask about its verdict without writing anything."""

from __future__ import annotations

import click

from pvtt.cli.stage import describe, run_stage
from pvtt.stages.decide import STAGE

ABOUT = """--explain and --what-if write nothing: they show the rows of the matrix and which one decided, for what was
measured or for values that you name (`--what-if psnr=26 --what-if rating=3.4`)."""


@click.command(name=STAGE.name, help=f"{describe(STAGE)}\n\n{ABOUT}", short_help=STAGE.help)
@click.option("--explain", is_flag=True, help="Show each row of the matrix, what it asks, and which one decided.")
@click.option(
    "--what-if",
    "assumed",
    multiple=True,
    metavar="CRITERION=VALUE",
    help="Decide as if a criterion had this value; may be repeated.",
)
def command(explain: bool, assumed: tuple[str, ...]) -> None:
    if not explain and not assumed:
        run_stage(STAGE)
        return
    from pvtt.decision.decide import decide
    from pvtt.decision.text import explain as explained
    from pvtt.decision.text import format_decision
    from pvtt.decision.what_if import with_values
    from pvtt.files.workspace import find_workspace
    from pvtt.params.file import load_params
    from pvtt.stages.decide import read_measurements

    workspace = find_workspace()
    params = load_params(workspace.params_file)
    run_id, measurements = read_measurements(workspace, params)
    decision = decide(with_values(measurements, dict(map(_parse, assumed))), params, run_id)
    if assumed:
        click.echo(f"As if {', '.join(assumed)}; nothing is written.\n")
    click.echo(explained(decision) if explain else format_decision(decision))


def _parse(text: str) -> tuple[str, float]:
    name, sign, value = text.partition("=")
    try:
        if not sign:
            raise ValueError
        return name.strip(), float(value)
    except ValueError:
        raise click.BadParameter(
            f"{text} is not CRITERION=VALUE, for example psnr=26", param_hint="--what-if"
        ) from None
