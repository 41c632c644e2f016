"""Contenders over triplets: each film is made, measured and kept; the same command goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from pvtt.bench.contenders import BenchContender
from pvtt.bench.films import make_film, score_film, triplet_pixels, versions
from pvtt.bench.kept import FILMS, FilmFiles
from pvtt.bench.sets import BenchSet
from pvtt.evaluation.fingerprint import weights_path
from pvtt.evaluation.measure import load_networks
from pvtt.evaluation.metrics.lettering import load_reader
from pvtt.evaluation.metrics.metric import Networks
from pvtt.files.atomic import atomic_write_text, sweep_temporaries
from pvtt.files.hashing import sha256_file, sha256_tree
from pvtt.files.lock import hold_lock
from pvtt.files.workspace import find_workspace
from pvtt.items.progress import Progress
from pvtt.params.evaluate import EvaluateParams
from pvtt.params.file import load_params
from pvtt.records.bench import BENCH_FILE, RUN_FILE, BenchRun, RunTriplet

MEASURING = ("lpips", "clip", "dino")


def run_bench(
    bench: BenchSet,
    contenders: Sequence[BenchContender],
    out: Path,
    *,
    seed: int,
    command: str,
    only: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> BenchRun:
    """Make and measure what is missing, and write `run.json`.

    Measuring networks are those that `evaluate.*_weights` of the workspace's params.yaml name; without one, its figures
    are not measured. Lettering is read where the extra `leftovers` is installed.

    Args:
        bench: The set.
        contenders: In the order of every table.
        out: The run's folder.
        seed: Of the noise.
        command: As it was typed, to keep.
        only: Names of triplets; none: all.
        say: Is told in a line what could not be made.

    Raises:
        LockedError: Another process runs there.
        MissingInputError, PvttError: A contender lacks what all its films need, or measuring weights are missing.
        StorageError: The machine's storage failed.
    """
    triplets = bench.only(only)
    with hold_lock(out / ".lock", "pvtt bench run"):
        sweep_temporaries(out / FILMS)
        networks, weights = _networks()
        keys = {contender.name: contender.key() for contender in contenders}
        run = BenchRun(
            bench=str(bench.folder),
            bench_sha256=sha256_file(bench.folder / BENCH_FILE),
            kind=bench.bench.kind,
            triplets=tuple(
                RunTriplet(name=one.name, product_id=one.product_id, caption=one.caption, splits=one.splits)
                for one in triplets
            ),
            contenders=tuple(contender.name for contender in contenders),
            says={contender.name: contender.says for contender in contenders},
            controls=tuple(contender.name for contender in contenders if contender.is_control),
            seed=seed,
            command=command,
            versions=versions(),
            networks=tuple(weights),
        )
        with Progress("bench", len(contenders) * len(triplets), unit="films") as progress:
            for triplet in triplets:  # whose pixels and motion are known once for all of its films
                pixels = triplet_pixels(bench, triplet)
                for contender in contenders:
                    files = FilmFiles(out, contender.name, triplet.name)
                    record = make_film(files, contender, keys[contender.name], bench, pixels, seed)
                    score_film(files, record, bench, pixels, networks, weights)
                    if record.sha256 is None and say is not None:
                        say(f"{contender.name} has no film of {triplet.name}: {record.reason}: {record.message}")
                    progress.advance(note=f"{contender.name} {triplet.name}")
        atomic_write_text(out / RUN_FILE, run.to_json(indent=1) + "\n")
    return run


def _networks() -> tuple[Networks, dict[str, str]]:
    """The measuring networks that are there, and the hashes of their weights, or the version that they come with."""
    workspace = find_workspace()
    params = EvaluateParams()
    if workspace.params_file.is_file():
        params = load_params(workspace.params_file).evaluate
    params = params.model_copy(update={"fvd_weights": None})  # of many videos together, not of one
    weights = {}
    for name in MEASURING:
        path = weights_path(workspace.root, name, getattr(params, f"{name}_weights"))
        if path is not None:
            weights[name] = sha256_tree(path) if path.is_dir() else sha256_file(path)
    networks = load_networks(workspace.root, params, "cpu")
    reader = networks.reader or load_reader()  # of the extra: its weights are in its wheel
    if reader is not None:
        weights["rapidocr"] = version("rapidocr")
    return replace(networks, reader=reader), weights
