"""`pvtt data`: what is in data/, what became of it, and what must not be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvtt.cli.data_review import review
from pvtt.cli.data_table import AS_JSON, NUM_ON_A_SHEET, find_states, show_table, workspace_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvtt.dataset.inventory import DataStats, ProductState
    from pvtt.records.tombstones import Tombstone

REASON = click.option("--reason", required=True, metavar="TEXT", help="Why, for those who ask later.")


@click.group()
def command() -> None:
    """The raw data, product by product.

    \b
      pvtt data ls                                   every product, and how far the stages took it
      pvtt data show JEWE001                         its files, clips, and what was turned away and why
      pvtt data sheet --out sheet.png                films and photos at a glance
      pvtt data review                               clips and photos whose masks a person should look at
      pvtt data forget JEWE001 --reason "asked to"   out of data/, and no crawl brings it back
      pvtt data diff HEAD~1                          what a version of the data changed

    `forget`, `reject` and `restore` change data/: `dvc add data` makes a version of it, `dvc repro` what depends on it.
    """


@command.command("ls")
@click.option("--category", help="Only this category.")
@click.option("--split", type=click.Choice(["train", "val", "test"]), help="Only products with samples in this split.")
@click.option("--forgotten", is_flag=True, help="What was taken out instead.")
@AS_JSON
def list_products(category: str | None, split: str | None, forgotten: bool, as_json: bool) -> None:
    """List the products, a line each: what was crawled, and what the stages made of it."""
    from pvtt.dataset.inventory import read_states

    workspace = workspace_here()
    if forgotten:
        from pvtt.records.tombstones import read_tombstones

        _show_tombstones(read_tombstones(workspace.data), as_json)
        return
    states = [
        state
        for state in read_states(workspace).values()
        if category in (None, state.product.category) and (split is None or split in state.splits)
    ]
    if as_json:
        click.echo(json.dumps([_line(state) for state in states], indent=1, ensure_ascii=False))
        return
    show_table([_line(state) for state in states], numbers=("videos", "photos", "clips", "masks", "samples", "rejects"))


@command.command("show")
@click.argument("product_id", metavar="PRODUCT")
@AS_JSON
def show(product_id: str, as_json: bool) -> None:
    """Show one product: its record, files, clips, and what was turned away and why."""
    state = find_states(workspace_here(), [product_id])[0]
    if as_json:
        click.echo(state.to_json(indent=1))
        return
    product = state.product
    click.echo(f"{product.product_id}  {product.title}")
    click.echo(f"  {product.category}; {product.license or 'no license named'}; retrieved {product.retrieved_at}")
    click.echo(f"  {product.page_url}")
    for medium in (*product.videos, *product.photos):
        click.echo(f"  {medium.path}  {medium.media_type}, {medium.num_bytes / 1000:,.0f} kB, of {medium.url}")
    masks = {mask.key: mask for mask in state.masks}
    for clip in state.clips:
        mask = masks.get(clip.key)
        covers = "no mask" if mask is None else f"the product covers {mask.area_mean:.0%}"
        click.echo(f"  clip {clip.key}  {clip.source_start_s:.1f}-{clip.source_end_s:.1f} s, {covers}")
    click.echo(f"  {state.num_photos} prepared photos; {state.where}")
    for reject in state.rejects:
        click.echo(f"  {reject.stage} turned away {reject.item}: {reject.reason}: {reject.message}")


@command.command("stats")
@AS_JSON
def stats(as_json: bool) -> None:
    """Count products, media, clips and samples, by category, source and license, and what was turned away and why."""
    from pvtt.dataset.inventory import all_rejects, count, read_states
    from pvtt.records.tombstones import read_tombstones

    workspace = workspace_here()
    found = count(read_states(workspace).values(), all_rejects(workspace), len(read_tombstones(workspace.data)))
    if as_json:
        click.echo(found.to_json(indent=1))
        return
    for line in _stats_lines(found):
        click.echo(line)


@command.command("forget")
@click.argument("product_ids", metavar="PRODUCT...", nargs=-1, required=True)
@REASON
@AS_JSON
def forget(product_ids: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Take products out of data/, and let no crawl bring them back.

    Files that another product has too stay that product's. Earlier versions of the data still hold what was taken out:
    where the law asks for more, remove those from the cache and the remote with `dvc gc --workspace --cloud`.
    """
    from pvtt.crawl.forget import forget as take_out

    _show_tombstones(take_out(workspace_here(), product_ids, reason), as_json)


@command.command("reject")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@REASON
@AS_JSON
def reject(files: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Take single photos and videos out of data/, as `pvtt data show` names them, and let no crawl bring them back."""
    from pvtt.crawl.forget import reject_files

    _show_tombstones(reject_files(workspace_here(), files, reason), as_json)


@command.command("restore")
@click.argument("names", metavar="PRODUCT|FILE...", nargs=-1, required=True)
@AS_JSON
def restore(names: tuple[str, ...], as_json: bool) -> None:
    """Let products and files in again: the next crawl brings back what its source still has."""
    from pvtt.crawl.forget import restore as let_in

    _show_tombstones(let_in(workspace_here(), names), as_json)


@command.command("diff")
@click.argument("old", metavar="REVISION", default="HEAD")
@click.argument("new", metavar="[REVISION]", required=False)
@AS_JSON
def diff(old: str, new: str | None, as_json: bool) -> None:
    """Name the products that differ between a version of the data and another, or what is there now."""
    from pvtt.dataset.changes import compare_versions, in_lines

    changes = compare_versions(workspace_here(), old, new)
    if as_json:
        click.echo(changes.to_json(indent=1))
        return
    for line in in_lines(changes):
        click.echo(line)


@command.command("sheet")
@click.argument("product_ids", metavar="[PRODUCT]...", nargs=-1)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The PNG to write.")
@click.option("--page", default=1, show_default=True, type=click.IntRange(1), help=f"Of {NUM_ON_A_SHEET} products.")
def sheet(product_ids: tuple[str, ...], out: Path, page: int) -> None:
    """Draw a frame of each film and the photos of products, by default of all, a page at a time."""
    from pvtt.dataset.contact_sheet import draw_contact_sheet
    from pvtt.errors import MissingInputError

    workspace = workspace_here()
    states = find_states(workspace, product_ids)
    shown = states[(page - 1) * NUM_ON_A_SHEET : page * NUM_ON_A_SHEET]
    num_pages = -(-len(states) // NUM_ON_A_SHEET)
    if not shown:
        raise MissingInputError(
            f"there is no page {page}: {len(states)} products are {num_pages} pages", "name another"
        )
    draw_contact_sheet([state.product for state in shown], workspace.data, out)
    click.echo(f"{out}: {len(shown)} of {len(states)} products, page {page} of {num_pages}")


command.add_command(review)


def _line(state: ProductState) -> dict[str, str | int]:
    product = state.product
    return {
        "product": product.product_id,
        "category": product.category,
        "source": product.source,
        "videos": len(product.videos),
        "photos": len(product.photos),
        "clips": len(state.clips),
        "masks": len(state.masks),
        "samples": state.num_samples,
        "rejects": len(state.rejects),
        "state": state.where,
        "title": " ".join(product.title.split()),
    }


def _show_tombstones(tombstones: Sequence[Tombstone], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([json.loads(one.to_json()) for one in tombstones], indent=1, ensure_ascii=False))
        return
    show_table([{"taken out": one.name, "on": one.forgotten_at[:10], "reason": one.reason} for one in tombstones], ())


def _stats_lines(found: DataStats) -> list[str]:
    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{name} {number}" for name, number in counts.items()) or "none"

    lines = [
        f"{found.num_products} products, {found.num_videos} videos, {found.num_photos} photos, "
        f"{found.num_bytes / 1e6:.1f} MB; {found.num_forgotten} taken out",
        f"{found.num_clips} clips of {found.clip_s:.0f} s in all, {found.num_masks} masks; "
        f"samples: {listed(found.samples)}",
        f"categories: {listed(found.categories)}",
        f"sources: {listed(found.sources)}; licenses: {listed(found.licenses)}",
    ]
    return [*lines, *(f"{stage} turned away: {listed(reasons)}" for stage, reasons in found.rejects.items())]
