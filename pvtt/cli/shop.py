"""`pvtt shop`: render and serve the sample shop."""

from __future__ import annotations

from pathlib import Path

import click

from pvtt.builtin.shop.serve import PORT, SITE


@click.group()
def command() -> None:
    """The sample shop: 50 rendered products, and entries that the pipeline must turn away."""


@command.command()
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@click.option("--only", "product_ids", multiple=True, metavar="ID", help="Only this product's media; repeatable.")
@click.option(
    "--site", default=SITE, show_default=False, type=click.Path(path_type=Path), help="Where to; the package's."
)
@click.option("--check", "is_check", is_flag=True, help="Change nothing: render again and compare the bytes.")
def build(jobs: int, product_ids: tuple[str, ...], site: Path, is_check: bool) -> None:
    """Render what is missing of the site, of its truths of transfers, and of tests/builtin/shop/ground_truth.

    The truths are shots of test products filmed again with other test products; they lie beside the site, are never
    served, and are rendered once all media are there.

    Needs `pip install 'pvtt[shop]'` and, on Debian, libegl1 and libgl1-mesa-dri. To render a product anew, delete its
    folder in site/media and its files in truths first. Bytes are the same each time on one machine; another machine's
    graphics driver may round differently.
    """

    from pvtt.builtin.shop import build as shop
    from pvtt.builtin.shop import transfers
    from pvtt.errors import PvttError
    from pvtt.files.atomic import scratch_directory
    from pvtt.files.workspace import find_workspace

    truths = site.parent / transfers.TRUTHS.name
    if not is_check:
        shop.build(site, find_workspace().root / "tests" / "builtin" / "shop" / "ground_truth", jobs, product_ids)
        if not product_ids:
            transfers.build(truths, site, jobs)
        return
    with scratch_directory() as scratch:
        differing = shop.check(site, scratch, jobs, product_ids)
        if not product_ids:
            differing += transfers.check(truths, site, scratch / transfers.TRUTHS.name, jobs)
    if differing:
        raise PvttError(
            f"{len(differing)} files of {site} are not what this machine renders: {', '.join(differing[:5])}",
            "where only media differ, another machine rendered them; else render them anew with `pvtt shop build`",
        )
    click.echo(f"{site} is what this machine renders, byte for byte")


@command.command()
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option(
    "--site", default=SITE, show_default=False, type=click.Path(path_type=Path), help="Folder; the package's."
)
@click.option("--quiet", is_flag=True, help="No line a request.")
def serve(port: int, site: Path, quiet: bool) -> None:
    """Serve the shop on the loopback until Ctrl-C."""
    from pvtt.builtin.shop.serve import open_server

    with open_server(site, port, verbose=not quiet) as server:
        try:  # Ctrl-C may come before the server is there
            click.echo(f"The sample shop is at {server.url} (Ctrl-C stops it)")
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo()
