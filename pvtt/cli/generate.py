"""`pvtt generate`: a whole ad with another product in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from pvtt.generation.ad.record import AdRecord


class Numbers(click.ParamType):
    """Whole numbers with commas between, such as 1,3; `count` of them where it is given."""

    def __init__(self, name: str, count: int | None = None) -> None:
        self.name = name
        self._count = count

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """See `click.ParamType.convert`."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        if self._count is not None and len(numbers) != self._count:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return numbers


FILE = click.Path(path_type=Path)


@click.command()
@click.option("--template", type=FILE, help="The film whose product is replaced.")
@click.option(
    "--photos", type=FILE, multiple=True, metavar="PHOTO...", help="Pictures of the new product, one to five."
)
@click.argument("more_photos", type=FILE, nargs=-1, metavar="[PHOTO]...")
@click.option("--templates", type=FILE, metavar="FOLDER", help="A folder of films, for many ads at once.")
@click.option(
    "--photos-dir", type=FILE, metavar="FOLDER", help="A folder with a folder a product: pictures, and a prompt.txt."
)
@click.option("-o", "--output", type=FILE, help="The new film: .mp4, .mov or .mkv. Of many ads: their folder.")
@click.option("--model", type=FILE, help="A trained model's folder.  [default: models/pvtt-tiny]")
@click.option("--prompt", default="", help="The new product in words, such as 'a gold ring'.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Another seed, another take.")
@click.option("--steps", type=click.IntRange(1), help="Of the sampler.  [default: as the model was measured with]")
@click.option("--guidance", type=float, help="1 takes the photos as they are, more exaggerates them.")
@click.option(
    "--strength", type=float, help="Noise to start from: 1 draws all anew, less keeps more of a pasted photo."
)
@click.option(
    "--shots", type=Numbers("shots such as 1,3"), metavar="1,3", help="Generate in these shots only, counted from 1."
)
@click.option(
    "--box",
    type=Numbers("a box x,y,width,height", count=4),
    metavar="X,Y,W,H",
    help="Where the old product is in the first frame of --shots: left, top, width, height in pixels.",
)
@click.option(
    "--point",
    type=Numbers("a point x,y", count=2),
    metavar="X,Y",
    help="The old product is what is at this point in the first frame of --shots: pixels from the left, from the top.",
)
@click.option("--mask", type=FILE, help="A film or a picture, white where the old product is.")
@click.option("--aspect", metavar="9:16", help="Cut the ad to this ratio, with the product in it.")
@click.option("--producer", default="pvtt", show_default=True, help="Who makes ads here, for the film's AI label.")
@click.option(
    "--label",
    metavar="[TEXT]",
    is_flag=False,
    flag_value="AI generated",
    help="Show a text in a corner of every frame; without TEXT, 'AI generated'.",
)
@click.option("--label-font", type=FILE, metavar="FILE", help="The font of --label, for characters such as Chinese.")
@click.option("--c2pa-cert", type=FILE, metavar="FILE", help="Sign the film: the certificate and those above it, PEM.")
@click.option("--c2pa-key", type=FILE, metavar="FILE", help="The key of that certificate, PEM without a password.")
@click.option("--c2pa-alg", metavar="NAME", help="Such as es256 or ps256.  [default: what the key is for]")
@click.option("--no-compare", is_flag=True, help="Leave out new.compare.mp4, the film beside its template.")
@click.option("--preview", is_flag=True, help="One window a shot in two steps; writes the contact sheet alone.")
@click.option("--dry-run", is_flag=True, help="Show shots, products and regions; generate and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@click.option("--from", "record", type=FILE, help="Repeat the run of an earlier ad's .json; give -o with it.")
def command(
    template: Path | None,
    photos: tuple[Path, ...],
    more_photos: tuple[Path, ...],
    templates: Path | None,
    photos_dir: Path | None,
    output: Path | None,
    model: Path | None,
    prompt: str,
    seed: int,
    steps: int | None,
    guidance: float | None,
    strength: float | None,
    shots: tuple[int, ...] | None,
    box: tuple[int, ...] | None,
    point: tuple[int, ...] | None,
    mask: Path | None,
    aspect: str | None,
    producer: str,
    label: str | None,
    label_font: Path | None,
    c2pa_cert: Path | None,
    c2pa_key: Path | None,
    c2pa_alg: str | None,
    no_compare: bool,
    preview: bool,
    dry_run: bool,
    as_json: bool,
    record: Path | None,
) -> None:
    """Make a new ad: a template's shots, cuts, times and sound, with another product in it.

    \b
      pvtt generate --template ad.mp4 --photos front.jpg side.jpg -o new.mp4

    The product that is shown longest is found, tracked and replaced in every shot that shows it; all else stays as it
    is. Beside new.mp4 it writes new.png, the contact sheet, new.json, the record of the run, and new.compare.mp4, the
    film beside its template. The film's metadata say that a model made it; --label says so on its frames too.

    \b
    A good order:
      --dry-run            which shots are there, which show the product, where will the new one be?
      --preview            a look at one window of each shot, in a minute
      (neither)            the film; stopped at any moment, the same command goes on
      --from new.json      the same film again

    \b
    Where the wrong thing is replaced:
      --shots 2,3          these shots, whatever product is in them
      --point 400,210 --shots 2
                           the product is what is at this point in the first frame of shot 2
      --box 300,80,200,260 --shots 2
                           the product is in this box in the first frame of shot 2
      --mask mask.mkv      the product is where this film (or picture) is white

    \b
    Many products, many templates:
      pvtt generate --templates templates/ --photos-dir products/ -o ads/

    Every product of products/ring/, products/bag/ ... is put into every film of templates/: ads/studio/ring.mp4 and so
    on, with ads/batch.json, the table, and ads/batch.png, a look at all. What is done is kept when the same command
    runs again. Exit code 4: some ads could not be made, and the table says why; the others are there.
    """

    def say(line: str) -> None:
        click.echo(line, err=True)

    if label is not None and Path(label).is_file():
        raise click.UsageError(
            f"--label took the file {label} for its text: give the photos before it, or --label=TEXT"
        )
    if templates is not None or photos_dir is not None:
        from pvtt.cli.generate_batch import run_batch

        run_batch(click.get_current_context(), say)
        return
    from pvtt.generation.ad.job import generate, repeat

    signing: dict[str, Any] = {"c2pa_cert": c2pa_cert, "c2pa_key": c2pa_key, "c2pa_alg": c2pa_alg}
    if record is not None:
        context = click.get_current_context()
        given = [name for name in context.params if context.get_parameter_source(name) == ParameterSource.COMMANDLINE]
        if set(given) - {"record", "output", "as_json", "no_compare", *signing}:
            raise click.UsageError("--from repeats a run with its own inputs and settings: give it only -o")
        if output is None:
            raise click.UsageError("--from needs -o, the new film")
        made = repeat(record, output, say, **signing, compare=not no_compare)
    else:
        if template is None:
            raise click.UsageError("--template is missing: the film whose product is replaced")
        if output is None and not dry_run:
            raise click.UsageError("-o is missing: the new film")
        made = generate(
            template,
            (*photos, *more_photos),
            output,
            model=model,
            mask=mask,
            prompt=prompt,
            seed=seed,
            steps=steps,
            guidance=guidance,
            strength=strength,
            shots=shots,
            box=box,
            point=point,
            aspect=aspect,
            producer=producer,
            label=label,
            label_font=label_font,
            **signing,
            compare=not no_compare,
            preview=preview,
            dry_run=dry_run,
            say=say,
        )
    if as_json:
        click.echo(made.to_json(indent=2))
        return
    click.echo(table(made))
    if output is not None and not dry_run:
        beside = [output.with_suffix(suffix) for suffix in (".png", ".json")]
        films = [output] if no_compare else [output, output.with_suffix(".compare.mp4")]
        written = beside if made.preview else [films[0], *beside, *films[1:]]
        click.echo(f"Wrote {', '.join(map(str, written))}")
    for warning in made.warnings:
        click.echo(f"Note: {warning}")
    if made.leftovers is not None:
        for kind, why in made.leftovers.not_checked.items():
            click.echo(f"Not checked for leftovers of the old product: {kind}; {why}")


def table(record: AdRecord) -> str:
    """The shots of an ad as a table."""
    lines = [f"{'shot':>4}  {'seconds':<13} {'frames':>6}  {'product':<7} {'windows':>7}  what"]
    for shot in record.shots:
        what = shot.reason or "generated"
        if shot.generated and shot.region is not None:
            left, top, width, height = shot.region
            what = f"region {width}×{height} at {left},{top} in its middle frame"
        seconds = f"{shot.start_s:.2f}-{shot.end_s:.2f}"
        lines.append(
            f"{shot.number:>4}  {seconds:<13} {shot.num_frames:>6}  {shot.product or '-':<7} {shot.windows:>7}  {what}"
        )
    if record.cut_size is not None:
        width, height = record.cut_size
        lines.append(f"cut to {width}×{height} of the template's {record.width}×{record.height}")
    lines.append(f"{record.num_windows} windows of {record.window_frames} frames, {record.steps} steps each")
    return "\n".join(lines)
