"""`pvtt generate --templates --photos-dir`: many ads at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from pvtt.generation.ad.batch_record import BatchRecord, BatchRow

ONE_AD = {"template": "--template", "photos": "--photos", "more_photos": "--photos"}
PLACES = {"box": "--box", "point": "--point", "mask": "--mask", "record": "--from"}
SETTINGS = ("model", "prompt", "seed", "steps", "guidance", "strength", "shots", "aspect")
NUM_NAMED = 3  # failed ads in the last line; the others are in the table


def run_batch(context: click.Context, say: Callable[[str], None]) -> None:
    """Make what the options of `pvtt generate` say, and print it.

    Raises:
        click.UsageError: They do not go together.
        FailureBudgetError: Some ads could not be made; the others are.
    """
    given = context.params
    _check(context)
    from pvtt.errors import FailureBudgetError
    from pvtt.generation.ad.batch import RECORD, SHEET, generate_batch

    output = given["output"]
    names = (*SETTINGS, "producer", "label", "label_font", "c2pa_cert", "c2pa_key", "c2pa_alg", "preview", "dry_run")
    chosen: dict[str, Any] = {name: given[name] for name in names}
    made = generate_batch(
        given["templates"], given["photos_dir"], output, **chosen, compare=not given["no_compare"], say=say
    )
    if given["as_json"]:
        click.echo(made.to_json(indent=2))
    else:
        click.echo(table(made))
        for row in made.rows:
            for warning in row.warnings:
                click.echo(f"Note: {row.template}/{row.product}: {warning}")
        if not given["dry_run"]:
            click.echo(f"Wrote {output / RECORD}, {output / SHEET}")
    if failed := made.failed:
        named = "; ".join(f"{row.product} in {row.template}: {row.reason}" for row in failed[:NUM_NAMED])
        more = f"; and {len(failed) - NUM_NAMED} more" if len(failed) > NUM_NAMED else ""
        raise FailureBudgetError(
            f"{len(failed)} of {len(made.rows)} ads could not be made: {named}{more}",
            "mend these, or make one alone with --point, --box or --mask; the same command again keeps finished ads",
        )


def _check(context: click.Context) -> None:
    """Refuse options that are not of a batch."""
    given = context.params
    named = [name for name in given if context.get_parameter_source(name) == ParameterSource.COMMANDLINE]
    if any(name in ONE_AD for name in named):
        raise click.UsageError(
            "--template and --photos are for one ad, --templates and --photos-dir for many: give the one or the other"
        )
    if places := [PLACES[name] for name in named if name in PLACES]:
        raise click.UsageError(f"{places[0]} is of one ad: it does not go with --templates and --photos-dir")
    if given["templates"] is None:
        raise click.UsageError("--templates is missing: the folder of films that goes with --photos-dir")
    if given["photos_dir"] is None:
        raise click.UsageError("--photos-dir is missing: the folder with a folder a product that goes with --templates")
    if given["output"] is None and not given["dry_run"]:
        raise click.UsageError("-o is missing: the folder of the new films")


def table(record: BatchRecord) -> str:
    """What came out, a line an ad."""
    template = max(len("template"), *(len(row.template) for row in record.rows))
    product = max(len("product"), *(len(row.product) for row in record.rows))
    lines = [
        f"{'template':<{template}}  {'product':<{product}}  {'status':<7}  {'shots':>7}  {'seconds':>7}  {'minutes':>7}"
        "  file"
    ]
    for row in record.rows:
        shots = f"{len(row.shots)} of {row.num_shots}" if row.num_shots else "-"
        lines.append(
            f"{row.template:<{template}}  {row.product:<{product}}  {row.status:<7}  {shots:>7}  "
            f"{_number(row.seconds):>7}  {_number(row.minutes):>7}  {_what(row)}"
        )
    counted = [f"{sum(row.status == status for row in record.rows)} {status}" for status in _statuses(record)]
    lines.append(f"{len(record.rows)} ads: {', '.join(counted)}")
    return "\n".join(lines)


def _statuses(record: BatchRecord) -> list[str]:
    return list(dict.fromkeys(row.status for row in record.rows))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _what(row: BatchRow) -> str:
    if row.status == "failed":
        return f"{row.reason}: {row.message}"
    return row.file or f"{row.windows} windows to generate"
