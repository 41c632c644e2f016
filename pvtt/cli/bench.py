"""`pvtt bench`: how well a product takes another's place in whole films."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pvtt.bench.sets import BenchSet

FOLDER = click.Path(file_okay=False, path_type=Path)
DIR = click.argument("folder", metavar="DIR", type=FOLDER)
BENCH = click.option("--bench", "bench_folder", type=FOLDER, help="A bench that was built.")
SMALL = click.option("--small", is_flag=True, help="The 24 triplets that the project ships.")


@click.group()
def command() -> None:
    """PVTT-Bench: films whose product another takes the place of, with the true result.

    \b
      pvtt bench run --small --contenders model,paste --out runs/first    hours on a laptop; stop it, and run it again
      pvtt bench table runs/first                                         Markdown, LaTeX, a page with the films
      pvtt bench build bench                                              all 120 triplets
      pvtt bench submit-check films --small                               somebody else's films
      pvtt bench import own                                               triplets of this workspace's products
    """


@command.command()
@DIR
@SMALL
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes that render.")
@click.option("--real", "is_real", is_flag=True, help="Read a team's own triplets that are in DIR; render nothing.")
def build(folder: Path, small: bool, jobs: int, is_real: bool) -> None:
    """Render what is missing of the bench in DIR, and list its files' hashes in DIR/bench.json.

    Needs `pip install 'pvtt[shop]'` and, on Debian, libegl1 and libgl1-mesa-dri. Stopped anywhere, the same command
    goes on. Bytes are the same each time on one machine; another machine's graphics driver may round differently: how
    many files are not those that were published is said at the end.
    """
    from pvtt.records.bench import BENCH_FILE

    if is_real:
        _index_real(folder)
        return
    from pvtt.builtin.bench.build import build as render
    from pvtt.builtin.bench.build import differing, planned_otherwise, read_hashes

    bench = render(folder, is_small=small, jobs=jobs)
    click.echo(f"{folder / BENCH_FILE}: {len(bench.triplets)} triplets, {len(bench.files)} files")
    published = read_hashes()
    otherwise = planned_otherwise(bench, published)
    if otherwise:
        click.echo(
            f"{len(otherwise)} triplets are another bench's: planned otherwise than published, {otherwise[0]} first"
        )
    else:
        click.echo("all are rendered from what was published: the same products, studios and camera moves")
    other, compared = differing(bench, published), len(set(bench.triplets) & set(published.triplets))
    if other:
        click.echo(f"{len(other)} files differ from the published ones of {compared} triplets, such as {other[0]}")
    else:
        click.echo(f"of {compared} triplets the files are published: these are the same, byte for byte")


def _index_real(folder: Path) -> None:
    from pvtt.bench.real import index_real
    from pvtt.errors import ValidationFailedError
    from pvtt.records.bench import BENCH_FILE

    bench, faults = index_real(folder)
    for fault in faults:
        click.echo(fault)
    if bench is None:
        raise ValidationFailedError(f"{len(faults)} triplets of {folder} cannot be used", "docs/bench.md has the list")
    click.echo(f"{folder / BENCH_FILE}: {len(bench.triplets)} triplets, {len(bench.files)} files")


@command.command("import")
@DIR
@click.option("--all", "every", is_flag=True, help="Of all products, not of the test split alone.")
def import_products(folder: Path, every: bool) -> None:
    """Lay down triplets of this workspace's products in DIR: one's film, another's photos.

    They are laid down as a team's own are: look them over, add a mask.mkv or mask.png to each, and run
    `pvtt bench build --real DIR`. Products are those of the test split, which no model was trained on. What is in DIR
    stays as it is.
    """
    from pvtt.bench.products import lay_down
    from pvtt.files.workspace import find_workspace

    laid = lay_down(find_workspace(), folder, every=every)
    for name, reason in laid.left_out.items():
        click.echo(f"{name}: {reason}")
    click.echo(f"{folder}: {len(laid.names)} triplets, {len(laid.kept)} of them were there")
    click.echo(f"next: a mask.mkv or mask.png in each, then pvtt bench build --real {folder}")


@command.command()
@click.option("--contenders", default="model,paste", show_default=True, help="Names with commas between.")
@click.option("--out", required=True, type=FOLDER, help="The run's folder.")
@BENCH
@SMALL
@click.option("--only", multiple=True, metavar="NAME", help="Only this triplet; repeatable.")
@click.option("--model", type=FOLDER, help="A trained model's folder.  [default: models/pvtt-tiny]")
@click.option("--submission", type=FOLDER, help="A folder of somebody else's films, NAME.mp4 for each triplet.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the noise.")
def run(
    contenders: str,
    out: Path,
    bench_folder: Path | None,
    small: bool,
    only: tuple[str, ...],
    model: Path | None,
    submission: Path | None,
    seed: int,
) -> None:
    """Make and measure each contender's film of each triplet; what is there and whole is kept.

    \b
    ground_truth, source_copy   controls, in every run
    swapped                     control: the model with another triplet's photos
    model                       the whole of `pvtt generate`; model_masked is told where the old product is
    paste, inpaint, mean_fill   no learning, told where the old product is
    """
    from pvtt.bench.contenders import chosen
    from pvtt.bench.run import run_bench

    names = [name.strip() for name in contenders.split(",") if name.strip()]
    bench = _open(bench_folder, small)
    wanted = chosen(names, model, submission, has_truth=bench.bench.kind == "synthetic")
    typed = shlex.join(["pvtt", *sys.argv[1:]])
    made = run_bench(
        bench, wanted, out, seed=seed, command=typed, only=only, say=lambda line: click.echo(line, err=True)
    )
    click.echo(f"{out}: {len(made.contenders)} contenders, {len(made.triplets)} triplets; see `pvtt bench table {out}`")


@command.command()
@DIR
def table(folder: Path) -> None:
    """Print the tables of the run in DIR; writes table.md, table.tex and page.html there."""
    from pvtt.bench.page import render
    from pvtt.bench.table import make_table
    from pvtt.bench.text import to_latex, to_markdown
    from pvtt.files.atomic import atomic_write_text

    made = make_table(folder)
    texts = {"table.md": to_markdown(made), "table.tex": to_latex(made), "page.html": render(made)}
    for name, text in texts.items():
        atomic_write_text(folder / name, text)
    click.echo(texts["table.md"], nl=False)
    click.echo(f"Wrote {', '.join(str(folder / name) for name in texts)}", err=True)


@command.command("submit-check")
@DIR
@BENCH
@SMALL
def submit_check(folder: Path, bench_folder: Path | None, small: bool) -> None:
    """Look somebody else's films in DIR over: names, counts, lengths, sizes, and that only the product was changed.

    A line a fault; exit code 6 where there is one.
    """
    from pvtt.bench.check import check_submission
    from pvtt.errors import ValidationFailedError

    bench = _open(bench_folder, small)
    faults = check_submission(folder, bench)
    for fault in faults:
        click.echo(fault)
    if faults:
        raise ValidationFailedError(f"{folder} has {len(faults)} faults", "mend these films, and check them again")
    click.echo(f"{folder}: {len(bench.triplets)} films, nothing wrong")


def _open(folder: Path | None, small: bool) -> BenchSet:
    from pvtt.bench.sets import SHIPPED, read_bench

    if small == (folder is not None):
        raise click.UsageError("give --small, or --bench with the folder of a bench")
    return read_bench(SHIPPED if folder is None else folder)
