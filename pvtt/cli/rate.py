"""`pvtt rate`: rate generated videos on a local page."""

from __future__ import annotations

import click


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8766, show_default=True, help="0 takes a free one.")
@click.option("--rater", help="Your name; without it the page asks.")
def command(port: int, rater: str | None) -> None:
    """Rate the test videos 1-5 on a local page: blind, in random order.

    Each click is saved to ratings/RUN.jsonl at once; run again to continue. Commit the file, then `dvc repro` decides.
    The page answers on this machine only; from elsewhere, reach it through `ssh -L 8766:localhost:8766 MACHINE`.
    """
    from pydantic import TypeAdapter, ValidationError

    from pvtt.errors import PvttError
    from pvtt.files.workspace import find_workspace
    from pvtt.ratings.server import RatingServer
    from pvtt.ratings.store import RatingStore
    from pvtt.records.evaluation import read_evaluated, read_run
    from pvtt.records.ratings import RaterName

    if rater is not None:
        try:
            TypeAdapter(RaterName).validate_python(rater)
        except ValidationError:
            raise PvttError(
                f"--rater {rater!r} is not a name", "use letters, digits, spaces and . @ - _, at most 64"
            ) from None
    workspace = find_workspace()
    out = workspace.out("evaluate")
    run_id = read_run(out / "run.json").run_id
    samples = read_evaluated(out)
    store = RatingStore(workspace.ratings / f"{run_id}.jsonl")
    store.latest()  # a damaged file is better told now than at the first click
    with RatingServer(run_id, samples, out, workspace.root, store, port, rater) as server:
        click.echo(f"Rate {len(server.items)} videos at {server.url}  (Ctrl-C to stop)")
        click.echo(f"Saved to {store.path}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("\nStopped. Everything rated is saved.")
