"""`pvtt rate`: rate generated videos on a page, or compare those of several contenders in pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.ratings.blind import BlindServer

KEY_FILE = "rating.key"


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8766, show_default=True, help="0 takes a free one.")
@click.option("--rater", help="Your name; without it the page asks.")
@click.option(
    "--host",
    metavar="ADDRESS",
    help="Also let others rate: listen on this address of this machine (0.0.0.0: on all), for those with the link.",
)
@click.option(
    "--pairs",
    metavar="RUN",
    type=click.Path(file_okay=False, path_type=Path),
    help="Compare the films of a `pvtt bench run`, two at a time.",
)
@click.option("--results", is_flag=True, help="Print what the votes on --pairs come to, and show no page.")
@click.option("--json", "as_json", is_flag=True, help="Print --results as JSON.")
def command(port: int, rater: str | None, host: str | None, pairs: Path | None, results: bool, as_json: bool) -> None:
    """Rate the test videos 1-5 on a page: blind, in a balanced order.

    Each click is saved to ratings/RUN.jsonl at once; run again to continue. Commit the file, then `dvc repro` decides.
    Among the videos some are hidden that judge the raters: true ones, ones with a hole of one colour, some twice.

    \b
    Which of two films is better:
      pvtt rate --pairs runs/first             films of the contenders of a bench run; saved to runs/first/votes/
      pvtt rate --pairs runs/first --results   who wins, and which metrics rank as people do

    \b
    Several raters:
      pvtt rate                              on this machine, one after the other, each by a name
      ssh -L 8766:localhost:8766 MACHINE     from elsewhere, to a `pvtt rate` that runs on MACHINE
      pvtt rate --host 0.0.0.0               in a network that you trust: send them the link that is printed

    The link has a key, and who has the link can rate under any name. It is the same at every start; to take it back,
    remove .pvtt/rating.key. What is sent is not encrypted: beyond a trusted network use ssh.
    """
    from pvtt.files.workspace import find_workspace

    if (results or as_json) and pairs is None:
        raise click.UsageError("--results and --json are of --pairs: give the folder of a run")
    if as_json and not results:
        raise click.UsageError("--json prints --results: give both")
    if results and pairs is not None:
        _print_results(pairs, as_json)
        return
    _check_rater(rater, host)
    workspace = find_workspace()
    if pairs is None:
        _serve(workspace, host, lambda key: _rating_server(workspace, port, rater, host, key))
    else:
        _serve(workspace, host, lambda key: _pair_server(pairs, port, rater, host, key))


def _check_rater(rater: str | None, host: str | None) -> None:
    from pydantic import TypeAdapter, ValidationError

    from pvtt.errors import PvttError
    from pvtt.records.ratings import RaterName

    if rater is None:
        return
    try:
        TypeAdapter(RaterName).validate_python(rater)
    except ValidationError:
        raise PvttError(
            f"--rater {rater!r} is not a name", "use letters, digits, spaces and . @ - _, at most 64"
        ) from None
    if host is not None:
        raise PvttError("--rater names one person, and --host is for several", "leave one of them out")


Served = tuple["BlindServer", str, Path]  # with what is shown, and where it is saved


def _rating_server(workspace: Workspace, port: int, rater: str | None, host: str | None, key: str | None) -> Served:
    from pvtt.files.serve import HOST
    from pvtt.ratings.server import RatingServer
    from pvtt.ratings.store import RatingStore
    from pvtt.records.evaluation import read_evaluated, read_run

    out = workspace.out("evaluate")
    run_id = read_run(out / "run.json").run_id
    samples = read_evaluated(out)
    store = RatingStore(workspace.ratings / f"{run_id}.jsonl")
    store.latest()  # a damaged file is better told now than at the first click
    server = RatingServer(run_id, samples, out, workspace.root, store, port, rater, host or HOST, key)
    return server, f"{server.num_videos} videos", store.path


def _pair_server(folder: Path, port: int, rater: str | None, host: str | None, key: str | None) -> Served:
    from pvtt.bench.kept import read_films, read_run
    from pvtt.bench.votes import compared, contests, find_photos, vote_store
    from pvtt.files.serve import HOST
    from pvtt.ratings.pair_server import PairServer

    run = read_run(folder)
    samples = contests(folder, run, read_films(folder, run), find_photos(run))
    store = vote_store(folder)
    store.latest()  # as above
    server = PairServer(samples, compared(run), store, port, rater, host or HOST, key)
    return server, f"{server.num_pairs} pairs of videos", store.folder


def _serve(workspace: Workspace, host: str | None, make: Callable[[str | None], Served]) -> None:
    import socket

    key = None if host is None else _key(workspace)
    server, shown, saved = make(key)
    with server:
        url = server.url
        if key is not None:
            name = socket.gethostname() if host in ("0.0.0.0", "") else host
            url = f"http://{name}:{server.port}/?key={key}"
        try:  # Ctrl-C may come before the server is there
            click.echo(f"Rate {shown} at {url}  (Ctrl-C to stop)")
            click.echo(f"Saved to {saved}")
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("\nStopped. Everything rated is saved.")


def _print_results(folder: Path, as_json: bool) -> None:
    from pvtt.bench.table import make_table
    from pvtt.bench.votes_text import votes_markdown

    votes = make_table(folder).votes
    click.echo(votes.to_json(indent=1) if as_json else votes_markdown(votes, raters=True))


def _key(workspace: Workspace) -> str:
    """The workspace's key of the rating page, made at the first call, which only this user can read."""
    import os
    import secrets

    from pvtt.files.storage import storage_errors

    path = workspace.state / KEY_FILE
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(16))
        except FileExistsError:
            pass
        key = path.read_text().strip()
    if len(key) < 16:  # a disk that was full
        path.unlink()
        return _key(workspace)
    return key
