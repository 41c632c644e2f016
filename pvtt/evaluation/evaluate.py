"""An evaluation from end to end: choose samples, generate, measure, keep videos, summarise."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pvtt.errors import PvttError
from pvtt.evaluation.batch import (
    FEATURES_FILE,
    STAGE,
    BatchJob,
    BatchParams,
    EvaluatedBatch,
    asked_parts,
    champion_of,
    evaluate_batch,
)
from pvtt.evaluation.contenders.all import contenders
from pvtt.evaluation.contenders.contender import Contender, Network
from pvtt.evaluation.contenders.external import asked_films
from pvtt.evaluation.contenders.model import Sampled
from pvtt.evaluation.contenders.routes import Routes, load_routes, record_of
from pvtt.evaluation.fingerprint import fingerprint
from pvtt.evaluation.generate import Generator, sampling
from pvtt.evaluation.metrics.fvd import FvdResult, fvd_of
from pvtt.evaluation.samples import Chosen, Windows, choose, shown_samples
from pvtt.evaluation.scores import require_own_names
from pvtt.evaluation.summary import summarise, summarise_categories
from pvtt.evaluation.vbench import with_vbench
from pvtt.files.atomic import atomic_directory, atomic_write_text
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.files.workspace import Workspace
from pvtt.items.cache import ItemCache
from pvtt.items.dispatcher import Dispatcher
from pvtt.items.runner import Done, Item, materialise, run_items
from pvtt.models.contracts import Contracts
from pvtt.models.origin import model_sha256
from pvtt.params.evaluate import EvaluateParams
from pvtt.params.file import Params
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import read_transfers
from pvtt.records.evaluation import (
    EVALUATED_FILE,
    EvaluatedSample,
    EvaluationMetrics,
    EvaluationRun,
    RouteRecord,
    write_metrics,
)
from pvtt.records.parts import PARTS, Part

NUM_WORST = 2  # samples a part whose videos are kept because they are the worst


@dataclass(frozen=True)
class EvaluateJob:
    """What `run_evaluation` works on.

    Args:
        workspace: The project's folders.
        model: Folder of the trained pipeline, relative to the workspace.
        params: All of params.yaml.
    """

    workspace: Workspace
    model: str
    params: Params


def run_evaluation(job: EvaluateJob, dispatcher: Dispatcher) -> None:
    """Evaluate a model and write `outs/evaluate` and `metrics/evaluate.json`.

    Args:
        job: What is evaluated.
        dispatcher: Where its batches are generated and measured.

    Raises:
        MissingInputError: The model, the base or an encoded sample is missing.
        PvttError: The evaluator fails its own checks, or the model and the samples do not fit.
    """
    workspace, params = job.workspace, job.params
    chosen = choose(workspace, params)
    if not chosen:
        raise PvttError(
            "there is no encoded sample to evaluate", "read outs/validate/rejects.jsonl and outs/encode/rejects.jsonl"
        )
    cache = ItemCache(workspace.cache / STAGE)
    routes = load_routes(workspace.root, params, asked_films(chosen, params), "cpu", cache)
    require_own_names(routes.contenders)
    contracts = Contracts.load(workspace.root / job.model)
    contracts.require_equal(Contracts.from_params(params.encode), "outs/encode")
    run = describe_run(job, chosen, certified=())
    items = _items(job, chosen, run, routes)
    outcome = run_items(STAGE, items, evaluate_batch, BatchParams.of(params), workspace, dispatcher)
    for reject in outcome.rejects:  # figures of a part of the samples would be others
        raise PvttError(
            f"{STAGE}: {reject.item}: {reject.message}", "mend it, and run again: finished batches are kept"
        )
    batches = [done.record for done in outcome.done]
    run = _on_machines(run, batches)
    with atomic_directory(workspace.out(STAGE)) as out:
        for done in outcome.done:
            for path in (path for sample in done.record.samples for path in sample.videos.values()):
                materialise(done.directory / path, out / path)
        samples = [sample for batch in batches for sample in batch.samples]
        samples = with_vbench(samples, out, workspace.root, params.evaluate.vbench)
        samples = _keep_videos(samples, out)
        records = [record_of(route) for route in routes.contenders]
        fvd = _fvd(outcome.done, params.evaluate)
        metrics = summarise_run(run.run_id, samples, fvd, job, routes.contenders, records)
        write_jsonl(out / EVALUATED_FILE, samples)
        atomic_write_text(out / "run.json", run.to_json(indent=2) + "\n")
        atomic_write_text(out / "metrics.csv", as_csv(metrics))
    write_metrics(workspace.metrics / f"{STAGE}.json", metrics)


def _items(job: EvaluateJob, chosen: Sequence[Chosen], run: EvaluationRun, routes: Routes) -> list[Item[BatchJob]]:
    """The batches of all parts that are asked for."""
    workspace, params = job.workspace, job.params
    hashes: dict[Network, str] = {"model": run.model_sha256, "base": run.fingerprint.base_sha256, **routes.hashes}
    if run.champion_sha256 is not None:
        hashes["champion"] = run.champion_sha256
    training = [one.entry for one in chosen if one.part == "train"]
    red, green, blue = Windows(workspace, params).mean_product_colour(training).tolist()
    # Its products are sought among all of a part, so a batch depends on every sample.
    inputs = (
        run.fingerprint.to_json(),
        *(contender.name for contender in contenders(routes.contenders)),
        *(record_of(route).to_json() for route in routes.contenders),
    )
    size, items = params.evaluate.batch_size, []
    for part in (part for part in PARTS if part in params.evaluate.parts):
        keys = [one.entry.key for one in chosen if one.part == part]
        for number, start in enumerate(range(0, len(keys), size), 1):
            batch = BatchJob(
                part=part,
                keys=tuple(keys[start : start + size]),
                model=job.model,
                hashes=hashes,
                mean_colour=(red, green, blue),
                params=params,
                root=workspace.root,
            )
            items.append(Item(f"{part}-{number:03}", batch, inputs))
    return items


def _on_machines(run: EvaluationRun, batches: Sequence[EvaluatedBatch]) -> EvaluationRun:
    """With where the batches were measured."""
    mark = run.fingerprint.model_copy(
        update={
            "device": " + ".join(sorted({batch.device for batch in batches})),
            "num_threads": max(batch.num_threads for batch in batches),
        }
    )
    return run.model_copy(update={"fingerprint": mark, "certified": batches[0].certified})


def _fvd(done: Sequence[Done[EvaluatedBatch]], params: EvaluateParams) -> dict[Part, FvdResult | None]:
    """Each part's FVD, from its batches' features."""
    results: dict[Part, FvdResult | None] = {}
    for part in PARTS:
        of_part = [one for one in done if one.record.samples[0].part == part]
        features = None
        if params.fvd_weights is not None:
            features = [row for one in of_part for row in np.load(one.directory / FEATURES_FILE)]
        results[part] = fvd_of(features, params.fvd_min_n)
    return results


def summarise_run(
    run_id: str,
    samples: Sequence[EvaluatedSample],
    fvd: Mapping[Part, FvdResult | None],
    job: EvaluateJob,
    routes: Sequence[Contender],
    records: Sequence[RouteRecord],
) -> EvaluationMetrics:
    """`metrics/evaluate.json` from the samples' own metrics: equal arguments, equal figures.

    Args:
        run_id: Of the evaluation.
        samples: All of them.
        fvd: Of each part, measured over all its videos together.
        job: What is evaluated.
        routes: Contenders beside those of every run.
        records: What is kept of each.
    """
    settings, seed = job.params.evaluate, job.params.seed
    of_part = {part: [one for one in samples if one.part == part] for part in PARTS}
    num_products = {part: len({one.product_id for one in samples if one.part in asked_parts(part)}) for part in PARTS}
    reason = read_transfers(job.workspace.out("validate")).reason
    if settings.max_transfers == 0:
        reason = "evaluate.max_transfers is 0"
    unmeasured: dict[Part, str] = {part: "evaluate.parts leaves it out" for part in PARTS if part not in settings.parts}
    if "transfer" in settings.parts and not of_part["transfer"]:
        unmeasured["transfer"] = reason or "no transfer could be encoded: see outs/encode/rejects.jsonl"
    return EvaluationMetrics(
        run_id=run_id,
        **{
            part: summarise(of_part[part], part, num_products[part], settings, seed, fvd[part], routes)
            for part in PARTS
        },
        categories={
            part: summarise_categories(of_part[part], part, num_products[part], settings, seed) for part in PARTS
        },
        unmeasured=unmeasured,
        routes=tuple(records),
    )


def describe_run(job: EvaluateJob, chosen: Sequence[Chosen], certified: tuple[str, ...]) -> EvaluationRun:
    """`outs/evaluate/run.json` but for the machine: hashes of model, samples and code, and the run's id from them.

    Args:
        job: What is evaluated.
        chosen: The samples.
        certified: The evaluator's own checks that passed.
    """
    workspace, params = job.workspace, job.params
    model_hash = model_sha256(workspace.root / job.model)
    champion = champion_of(params)
    base_hash = model_sha256(workspace.root / params.model.base / "transformer")
    dataset_hash = _dataset_sha256(workspace, chosen)
    mark = fingerprint(workspace.root, params, dataset_hash, base_hash, device="cpu", num_threads=1)
    return EvaluationRun(
        run_id=run_id(model_hash, dataset_hash, params),
        model=job.model,
        model_sha256=model_hash,
        champion_sha256=None if champion is None else model_sha256(workspace.root / champion / "transformer"),
        seed=params.seed,
        fingerprint=mark,
        certified=certified,
    )


def _dataset_sha256(workspace: Workspace, chosen: Sequence[Chosen]) -> str:
    encoded = workspace.out("encode")
    inputs = [
        [
            one.entry.clip_sha256,
            one.entry.mask_sha256,
            *one.entry.photo_sha256s,
            *_template_hashes(one),
            sha256_file(encoded / one.encoded.path),
        ]
        for one in chosen
    ]
    return sha256_json(inputs)


def _template_hashes(one: Chosen) -> tuple[str, ...]:
    template = one.entry.template
    return () if template is None or one.part != "transfer" else (template.clip_sha256, template.mask_sha256)


def run_id(model_hash: str, dataset_hash: str, params: Params) -> str:
    """What ratings are kept by: it stands for the model's videos, not for how they are measured.

    Args:
        model_hash: Of the trained pipeline.
        dataset_hash: Of the evaluated samples.
        params: All of params.yaml.
    """
    code = code_of(Generator, Windows, Sampled)
    selected = [params.evaluate.max_clips_per_split, sorted(params.evaluate.parts)]
    identity = [model_hash, dataset_hash, shown_samples(params), sampling(params), selected, code]
    return sha256_json(identity)[:12]


def _keep_videos(samples: Sequence[EvaluatedSample], out: Path) -> list[EvaluatedSample]:
    """Drop the videos of all samples but transfers, those to rate, and each part's worst by product PSNR."""

    def quality(sample: EvaluatedSample) -> float:
        value = sample.metrics["product_psnr"]
        return float("inf") if value is None else value

    worst = {
        sample.key
        for part in PARTS
        for sample in sorted((one for one in samples if one.part == part), key=quality)[:NUM_WORST]
    }
    kept = []
    for sample in samples:
        if not sample.to_rate and sample.key not in worst and sample.track != "transfer":
            shutil.rmtree(out / "videos" / sample.part / sample.key)
            sample = sample.model_copy(update={"videos": {}})
        kept.append(sample)
    return kept


def as_csv(metrics: EvaluationMetrics) -> str:
    """The measured metrics as `split,metric,value,low,high`, for DVC plots; transfers stand as a split."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "metric", "value", "low", "high"])
    for part in PARTS:
        for name, metric in metrics.of_part(part).items():
            if metric.value is not None:
                writer.writerow([part, name, metric.value, metric.low, metric.high])
    return text.getvalue()
