"""`pvtt studio`: a page to try `pvtt generate` on."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default="ads", show_default=True, help="The folder of the ads.")
@click.option("--model", type=click.Path(path_type=Path), help="A trained model's folder.  [default: models/pvtt-tiny]")
@click.option("--port", type=click.IntRange(0, 65535), default=8767, show_default=True, help="0 takes a free one.")
def command(out: Path, model: Path | None, port: int) -> None:
    """Try out new ads on a local page.

    \b
      pvtt studio --out ads
      then open the address that it prints, and
      1. drop a film and one to five photos of another product
      2. Find shots and regions    which shots show the product, and where the new one will be;
                                   in the wrong place? draw a box, click on the product, or choose shots
      3. Preview                   one window of each shot, in a minute
         Render                    the film; a slider compares it with its template

    What is rendered is what `pvtt generate` makes: ads/NAME-1.mp4 with its sheet, its comparison and its record beside
    it, and `pvtt generate --from ads/NAME-1.json -o again.mp4` makes it again. What was dropped stays in ads/inputs.
    One piece of work is done at a time, and others wait. After a stop or a crash, the same render goes on from the
    windows that were finished. The settings of an earlier ad are read back from its .json.

    The page answers on this machine only, and loads nothing from elsewhere; from another machine, reach it through
    `ssh -L 8767:localhost:8767 MACHINE`. It needs the extra: pip install 'pvtt[studio]'
    """
    from pvtt.generation.ad.job import default_model
    from pvtt.generation.ad.settings import AdSettings, read_model_format
    from pvtt.studio.server import open_studio

    folder = default_model() if model is None else model
    read_model_format(folder, AdSettings())  # better told now than at the first click
    with open_studio(out, folder, port) as server:
        try:  # Ctrl-C may come before the server is there
            click.echo(f"Open {server.url}  (Ctrl-C to stop)")
            click.echo(f"Ads go to {out}")
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("\nStopped. Finished windows are kept: the same render goes on from there.")
