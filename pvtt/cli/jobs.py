"""`pvtt jobs`: the Slurm jobs of this checkout, from the ledger in `.pvtt/slurm`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pvtt.dispatch.jobs import Jobs, JobView

NUM_LINES = 40


@click.group(name="jobs")
def command() -> None:
    """The Slurm jobs of this checkout: what waits and why, what works, what came of the rest.

    \b
    A stage sends one job, or one array whose tasks are its shards. JOB is Slurm's number of it, as `ls` and the
    stage's own lines give it; `4711_3` is a task; `#12` is the twelfth submission.
      pvtt jobs ls                  what is open; --all for what has ended too
      pvtt jobs show 4711           each start of each task: state, reason, node, times
      pvtt jobs logs 4711_3         what the task wrote, of all its starts
      pvtt jobs cancel 4711         end it; the stage that waits for it stops, what is done is kept
      pvtt jobs cost                GPU-hours and energy by stage
      pvtt jobs retry 4711          let it go where it is held, or start it again where it was

    Exit codes: 0 done; 1 Slurm refused, or a job does not end; 2 wrong usage; 3 no such job or log.
    """


def _jobs() -> Jobs:
    from pvtt.dispatch.jobs import Jobs
    from pvtt.files.workspace import find_workspace

    return Jobs(find_workspace())


@command.command("ls")
@click.option("--all", "every", is_flag=True, help="Those that have ended too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for scripts.")
def ls_command(every: bool, as_json: bool) -> None:
    """List submissions, the newest first: number, stage, Slurm job, state, GPU-hours, since when, why."""
    views = _jobs().list(only_open=not every)
    if as_json:
        for view in views:
            click.echo(view.to_json())
        return
    if not views:
        click.echo("no Slurm job is open" if not every else "no Slurm job was ever sent from this checkout")
        return
    rows = [("#", "STAGE", "JOB", "STATE", "GPU-H", "SENT", "WHY"), *(_row(view) for view in views)]
    for line in _table(rows):
        click.echo(line)
    if any(view.submission.is_open and not view.answers for view in views):
        click.echo("Slurm's controller did not answer for those that are open: this is what was known last", err=True)


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of rows whose columns stand below each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(view: JobView) -> tuple[str, str, str, str, str, str, str]:
    submission = view.submission
    return (
        f"#{submission.id}",
        submission.stage,
        submission.job_id or "-",
        view.status,
        f"{view.gpu_hours:.1f}",
        submission.submitted_at.removesuffix("+00:00"),
        view.reason,
    )


@command.command("cost")
@click.option("--since", default="", help="Only jobs of that moment and later: UTC, as 2026-03-02T09:14.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for scripts.")
def cost_command(since: str, as_json: bool) -> None:
    """Show GPU-hours by stage: of starts that ended with their work done, of the others, and of those at work.

    Energy is what Slurm's accounting has measured (ConsumedEnergy), else GPU-hours times `gpu_watts` of the profile
    that PVTT_DISPATCH names. The last column says which.
    """
    from pvtt.dispatch import gpu_watts
    from pvtt.dispatch.cost import COLUMNS
    from pvtt.files.workspace import find_workspace
    from pvtt.stages.all import PROFILE_PARTS

    costs = _jobs().costs(gpu_watts(find_workspace().root, PROFILE_PARTS), since)
    if as_json:
        for cost in costs:
            click.echo(cost.to_json())
        return
    if not costs:
        click.echo("no Slurm job was sent from this checkout" + (f" since {since}" if since else ""))
        return
    for line in _table([COLUMNS, *(cost.cells for cost in costs)]):
        click.echo(line)


@command.command("show")
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
def show_command(job: str, as_json: bool) -> None:
    """Show a submission and each start of each of its tasks. Times are UTC."""
    view = _jobs().find(job)
    if as_json:
        click.echo(view.to_json(indent=2))
        return
    submission = view.submission
    click.echo(f"#{submission.id} {submission.stage}, Slurm job {submission.job_id or '-'}: {view.status}")
    for name, text in (
        ("why", view.reason),
        ("sent", f"{submission.submitted_at} by {submission.driver}"),
        ("ended", submission.closed_at or ""),
        ("GPU-hours", f"{view.gpu_hours:.2f} ({submission.gpus} a task)"),
        ("files", submission.folder),
    ):
        if text:
            click.echo(f"  {name:<10} {text}")
    for attempt in view.attempts:
        times = f"{attempt.started_at or '-'} to {attempt.ended_at or '-'}"
        why = f" ({attempt.reason})" if attempt.reason else ""
        node = f" on {attempt.node}" if attempt.node else ""
        click.echo(f"  {attempt.job_id} start {attempt.attempt}: {attempt.state}{why}{node}, {times}")


@command.command("logs")
@click.argument("job")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=NUM_LINES, show_default=True, help="0 for all.")
@click.option(
    "--rank", type=click.IntRange(min=0), default=0, help="Which process of a training; the first by default."
)
@click.option("--output", is_flag=True, help="What the task printed, instead of its errors and log lines.")
@click.option("--path", is_flag=True, help="Only the file's path.")
def logs_command(job: str, lines: int, rank: int, output: bool, path: bool) -> None:
    """Print a task's log, all its starts one after another. Of a whole array: the last task that failed."""
    jobs = _jobs()
    file = jobs.log(jobs.find(job), _task(job), rank=rank, output=output)
    if path:
        click.echo(str(file))
        return
    text = file.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in text if lines == 0 else text[-lines:]:
        click.echo(line)


@command.command("cancel")
@click.argument("names", metavar="JOB...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every job of this checkout that is open.")
def cancel_command(names: tuple[str, ...], every: bool) -> None:
    """Cancel jobs and wait until they have ended, half a minute at most. The stages that wait for them stop."""
    if bool(names) == every:
        raise click.UsageError("name the jobs, or give --all")
    jobs = _jobs()
    open_ones = [(f"#{view.submission.id}", view) for view in jobs.list(only_open=True)] if every else []
    for name, view in open_ones or [(name, jobs.find(name)) for name in names]:
        task = _task(name)
        jobs.cancel(view, task)
        click.echo(f"Slurm job {task or view.submission.job_id or '-'} ({view.submission.stage}) has ended")


@command.command("retry")
@click.argument("job")
def retry_command(job: str) -> None:
    """Let a held job go; put one that works back in the queue, from where its work continues.

    One that has ended is not sent again here, since nobody would take its results: `dvc repro STAGE` does it.
    """
    jobs = _jobs()
    click.echo(jobs.retry(jobs.find(job), _task(job)))


def _task(name: str) -> str | None:
    """The task that a name means; None where it means the whole submission."""
    return name if "_" in name else None
