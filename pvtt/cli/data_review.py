"""`pvtt data review`: a page on which a person keeps or turns away what is doubtful; or a list, or a picture of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvtt.cli.data_table import AS_JSON, NUM_ON_A_SHEET, find_states, show_table, workspace_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvtt.dataset.review import Doubtful
    from pvtt.files.workspace import Workspace


@click.command("review")
@click.argument("product_ids", metavar="[PRODUCT]...", nargs=-1)
@click.option("--port", type=click.IntRange(0, 65535), default=8768, show_default=True, help="0 takes a free one.")
@click.option("--list", "listing", is_flag=True, help="Print what is not answered, a line each, and show no page.")
@click.option("--answered", is_flag=True, help="List what was answered too, with the answers.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Draw them: the PNG to write.")
@click.option("--page", default=1, show_default=True, type=click.IntRange(1), help=f"Of {NUM_ON_A_SHEET} on --out.")
@AS_JSON
def review(
    product_ids: tuple[str, ...],
    port: int,
    listing: bool,
    answered: bool,
    out: Path | None,
    page: int,
    as_json: bool,
) -> None:
    """Look at clips and photos whose masks are doubtful, one at a time on a page; the least sure clips first.

    y keeps, n turns away, u or the left arrow takes the last answer back. Each answer is saved to reviews/answers.jsonl
    at once, and holds for the contents that were judged: they are not asked again. `dvc repro` leaves out what was
    turned away. Commit the file.

    A whole film or photo that is wrong goes out of data/ with `pvtt data reject SOURCE --reason TEXT`, and no crawl
    brings it back.

    From elsewhere: `ssh -L 8768:localhost:8768 MACHINE`.
    """
    from pvtt.dataset.review import find_doubtful

    workspace = workspace_here()
    if product_ids:
        find_states(workspace, product_ids)  # says which of them there are not
    listing = listing or as_json or answered
    shows_page = not listing and out is None
    doubtful = find_doubtful(workspace, product_ids, answered=answered or shows_page)
    if shows_page:
        _serve(workspace, doubtful, port)
        return
    if out is not None:
        _draw(workspace, doubtful, out, page, told=not listing)
    if as_json:
        click.echo(json.dumps([json.loads(one.to_json()) for one in doubtful], indent=1, ensure_ascii=False))
    elif listing:
        show_table([_line(one, answered) for one in doubtful], numbers=("confidence",))


def _serve(workspace: Workspace, doubtful: Sequence[Doubtful], port: int) -> None:
    from pvtt.dataset.review_server import ReviewServer

    if not doubtful:
        click.echo("nothing")
        return
    num_open = sum(one.answer is None for one in doubtful)
    with ReviewServer(doubtful, workspace.root, workspace.reviews, port) as server:
        try:  # Ctrl-C may come before the server is there
            click.echo(f"Review {num_open} of {len(doubtful)} doubtful at {server.url}  (Ctrl-C to stop)")
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("\nStopped. Every answer is saved.")


def _draw(workspace: Workspace, doubtful: Sequence[Doubtful], out: Path, page: int, told: bool) -> None:
    from pvtt.dataset.review_sheet import draw_review_sheet
    from pvtt.errors import MissingInputError

    shown = doubtful[(page - 1) * NUM_ON_A_SHEET : page * NUM_ON_A_SHEET]
    if not shown:
        raise MissingInputError(f"there is no page {page}: {len(doubtful)} are doubtful", "name another, or none")
    draw_review_sheet(shown, workspace.root, out)
    if told:
        num_pages = -(-len(doubtful) // NUM_ON_A_SHEET)
        click.echo(f"{out}: {len(shown)} of {len(doubtful)} doubtful, page {page} of {num_pages}")


def _line(one: Doubtful, answered: bool) -> dict[str, str | int]:
    line: dict[str, str | int] = {"answer": one.answer or "open"} if answered else {}
    return line | {
        "kind": one.kind,
        "name": one.name,
        "why": ", ".join(one.doubts),
        "confidence": "" if one.confidence is None else f"{one.confidence:.2f}",
        "picture": one.picture,
        "result": one.result,
        "source": one.source,
    }
