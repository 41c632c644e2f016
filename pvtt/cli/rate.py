"""`pvtt rate`: rate generated videos on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace

KEY_FILE = "rating.key"


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8766, show_default=True, help="0 takes a free one.")
@click.option("--rater", help="Your name; without it the page asks.")
@click.option(
    "--host",
    metavar="ADDRESS",
    help="Also let others rate: listen on this address of this machine (0.0.0.0: on all), for those with the link.",
)
def command(port: int, rater: str | None, host: str | None) -> None:
    """Rate the test videos 1-5 on a page: blind, in a balanced order.

    Each click is saved to ratings/RUN.jsonl at once; run again to continue. Commit the file, then `dvc repro` decides.
    Among the videos some are hidden that judge the raters: true ones, ones with a hole of one colour, some twice.

    \b
    Several raters:
      pvtt rate                              on this machine, one after the other, each by a name
      ssh -L 8766:localhost:8766 MACHINE     from elsewhere, to a `pvtt rate` that runs on MACHINE
      pvtt rate --host 0.0.0.0               in a network that you trust: send them the link that is printed

    The link has a key, and who has the link can rate under any name. It is the same at every start; to take it back,
    remove .pvtt/rating.key. What is sent is not encrypted: beyond a trusted network use ssh.
    """
    import socket

    from pydantic import TypeAdapter, ValidationError

    from pvtt.errors import PvttError
    from pvtt.files.serve import HOST
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
        if host is not None:
            raise PvttError("--rater names one person, and --host is for several", "leave one of them out")
    workspace = find_workspace()
    out = workspace.out("evaluate")
    run_id = read_run(out / "run.json").run_id
    samples = read_evaluated(out)
    store = RatingStore(workspace.ratings / f"{run_id}.jsonl")
    store.latest()  # a damaged file is better told now than at the first click
    key = None if host is None else _key(workspace)
    with RatingServer(run_id, samples, out, workspace.root, store, port, rater, host or HOST, key) as server:
        url = server.url
        if key is not None:
            name = socket.gethostname() if host in ("0.0.0.0", "") else host
            url = f"http://{name}:{server.port}/?key={key}"
        try:  # Ctrl-C may come before the server is there
            click.echo(f"Rate {server.num_videos} videos at {url}  (Ctrl-C to stop)")
            click.echo(f"Saved to {store.path}")
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("\nStopped. Everything rated is saved.")


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
