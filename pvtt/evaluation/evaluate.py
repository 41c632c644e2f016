"""An evaluation from end to end: select samples, generate, measure, summarise, keep videos."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pvtt.encoding.encode import read_photo
from pvtt.encoding.windows import EvaluationWindow, load_window
from pvtt.errors import PvttError
from pvtt.evaluation.arrays import Video
from pvtt.evaluation.certify import certify
from pvtt.evaluation.fingerprint import fingerprint
from pvtt.evaluation.generate import RUNS, ConditionedSample, Generator, RunName, read_conditions
from pvtt.evaluation.measure import Networks, SampleVideos, load_networks, measure_sample
from pvtt.evaluation.metrics.fvd import VideoEmbedder, frechet_distance
from pvtt.evaluation.metrics.identity import Appearance, embed_photos
from pvtt.evaluation.selection import select, swap_partners
from pvtt.evaluation.summary import FvdResult, summarise
from pvtt.evaluation.videos import mask_video, masked_video, write_videos
from pvtt.files.atomic import atomic_directory, atomic_write_text
from pvtt.files.hashing import code_version, sha256_json, sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.generation.composite import composite
from pvtt.items.progress import Progress
from pvtt.models.mask_contract import MaskContract
from pvtt.params.file import Params
from pvtt.records.base import read_jsonl, write_jsonl
from pvtt.records.dataset import SPLITS, DatasetEntry, EncodedSample, Split
from pvtt.records.evaluation import EvaluatedSample, EvaluationRun, MetricValue, write_metrics

STAGE = "evaluate"
NUM_WORST = 2  # samples a split whose videos are kept because they are the worst


@dataclass(frozen=True)
class EvaluateJob:
    """What `run_evaluation` works on; picklable, so that it can run on another machine.

    Args:
        workspace: The project.
        model: Folder of the trained pipeline, relative to the workspace.
        params: All params.
    """

    workspace: Workspace
    model: str
    params: Params


@dataclass(frozen=True)
class _Chosen:
    """A sample to evaluate."""

    entry: DatasetEntry
    encoded: EncodedSample
    partner: EncodedSample | None
    to_rate: bool


def run_evaluation(job: EvaluateJob) -> None:
    """Evaluate a model and write `outs/evaluate` and `metrics/evaluate.json`.

    Raises:
        MissingInputError: The model, the base or an encoded sample is missing.
        PvttError: The evaluator fails its own checks, or the model and the samples do not fit.
    """
    workspace, params = job.workspace, job.params
    device = "cuda" if torch.cuda.is_available() else "cpu"
    networks = load_networks(workspace.root, params.evaluate, device)
    certified = certify(networks.lpips)
    chosen = _choose(workspace, params)
    if not chosen:
        raise PvttError(
            "there is no encoded sample to evaluate", "read outs/validate/rejects.jsonl and outs/encode/rejects.jsonl"
        )
    model = workspace.root / job.model
    run = _describe(job, chosen, device, certified)
    generator = Generator(
        model=model,
        base=workspace.root / params.model.base,
        model_sha256=run.model_sha256,
        base_sha256=sha256_tree(workspace.root / params.model.base / "transformer"),
        params=params,
        device=device,
        cache=workspace.cache / STAGE,
    )
    assert generator.pipeline.mask_contract is not None  # `from_pretrained` reads it
    generator.pipeline.mask_contract.require_equal(MaskContract.from_params(params.encode.mask), "outs/encode")

    with atomic_directory(workspace.out(STAGE)) as out:
        samples, fvd = _evaluate_samples(workspace, params, chosen, generator, networks, out)
        samples = _keep_videos(samples, out)
        metrics: dict[Split, dict[str, MetricValue]] = {
            split: summarise([one for one in samples if one.split == split], params.evaluate, params.seed, fvd[split])
            for split in SPLITS
        }
        write_jsonl(out / "samples.jsonl", samples)
        atomic_write_text(out / "run.json", run.to_json(indent=2) + "\n")
        atomic_write_text(out / "metrics.csv", _as_csv(metrics))
    write_metrics(workspace.metrics / f"{STAGE}.json", metrics)


def _choose(workspace: Workspace, params: Params) -> list[_Chosen]:
    entries = {entry.key: entry for entry in read_jsonl(workspace.out("validate") / "samples.jsonl", DatasetEntry)}
    encoded = read_jsonl(workspace.out("encode") / "samples.jsonl", EncodedSample)
    chosen = []
    for split in SPLITS:
        of_split = [sample for sample in encoded if sample.split == split]
        selected = select(of_split, params.evaluate.max_clips_per_split, params.seed)
        partners = swap_partners(selected, params.seed)
        first = {sample.product_id: sample for sample in reversed(selected)}
        for number, sample in enumerate(selected):
            partner = partners.get(sample.product_id)
            chosen.append(
                _Chosen(
                    entry=entries[sample.key],
                    encoded=sample,
                    partner=None if partner is None else first[partner],
                    to_rate=number < params.evaluate.save_videos,
                )
            )
    return chosen


def _describe(job: EvaluateJob, chosen: Sequence[_Chosen], device: str, certified: tuple[str, ...]) -> EvaluationRun:
    workspace, params = job.workspace, job.params
    model_sha256 = sha256_tree(workspace.root / job.model)
    inputs = [[one.entry.clip_sha256, one.entry.mask_sha256, *one.entry.photo_sha256s] for one in chosen]
    dataset_sha256 = sha256_json(inputs)
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    mark = fingerprint(workspace.root, params, name, torch.get_num_threads())
    # Ratings are kept by run id: it stands for the videos that people see, not for how they are measured.
    identity = [
        model_sha256,
        dataset_sha256,
        params.seed,
        mark.protocol,
        code_version("generation", "models", "encoding"),
    ]
    return EvaluationRun(
        run_id=sha256_json(identity)[:12],
        model=job.model,
        model_sha256=model_sha256,
        dataset_sha256=dataset_sha256,
        seed=params.seed,
        fingerprint=mark,
        certified=certified,
    )


def _evaluate_samples(
    workspace: Workspace,
    params: Params,
    chosen: Sequence[_Chosen],
    generator: Generator,
    networks: Networks,
    out: Path,
) -> tuple[list[EvaluatedSample], dict[Split, FvdResult | None]]:
    """Generate and measure all samples, a batch at a time, so that memory stays bounded."""
    photos = {one.entry.product_id: _photos(one.entry, workspace, params) for one in chosen}
    side = min(params.encode.width, params.encode.height)
    galleries = {split: _gallery([c for c in chosen if c.entry.split == split], photos, side) for split in SPLITS}
    fill = _mean_product_colour(workspace, params, chosen)
    features = {split: _FvdFeatures(networks.fvd) for split in SPLITS}
    samples: list[EvaluatedSample] = []
    with Progress(STAGE, len(chosen), workspace.progress / f"{STAGE}.json", unit="samples") as progress:
        size = params.evaluate.batch_size
        for start in range(0, len(chosen), size):
            batch = chosen[start : start + size]
            for one, videos in zip(batch, _generate(workspace, params, batch, generator, fill), strict=True):
                entry = one.entry
                partner_id = None if one.partner is None else one.partner.product_id
                metrics = measure_sample(
                    videos, entry.product_id, partner_id, galleries[entry.split], photos[entry.product_id], networks
                )
                features[entry.split].add(videos.runs["generated"], videos.truth)
                sample = EvaluatedSample(
                    split=entry.split,
                    product_id=entry.product_id,
                    clip_id=entry.clip_id,
                    category=entry.category,
                    caption=entry.caption,
                    swapped_product_id=partner_id,
                    photo_paths=entry.photo_paths[: params.encode.max_photos],
                    swapped_photo_paths=() if one.partner is None else _photo_paths(one.partner, chosen, params),
                    to_rate=one.to_rate,
                    videos=_write(videos, out, entry, params),
                    metrics=metrics,
                )
                samples.append(sample)
                progress.advance(note=f"{sample.split} {sample.key}")
    minimum = params.evaluate.fvd_min_n
    return samples, {split: features[split].distance(minimum) for split in SPLITS}


def _generate(
    workspace: Workspace, params: Params, batch: Sequence[_Chosen], generator: Generator, fill: npt.NDArray[np.uint8]
) -> Iterator[SampleVideos]:
    """All videos of a batch's samples. A run without a partner for everyone leaves those without out."""
    conditions = [read_conditions(workspace.out("encode"), one.encoded) for one in batch]
    decoded: dict[RunName, dict[str, Video]] = {}
    for run in RUNS:
        own: list[ConditionedSample] = conditions
        partners: list[ConditionedSample] = []
        if run == "swapped":
            pairs = [(own, one.partner) for own, one in zip(conditions, batch, strict=True) if one.partner is not None]
            own = [condition for condition, _ in pairs]
            partners = [read_conditions(workspace.out("encode"), partner) for _, partner in pairs]
        if own:
            outputs = generator.decode(generator.latents(run, own, partners))
            decoded[run] = {condition.key: video for condition, video in zip(own, outputs, strict=True)}
    for one in batch:
        key = one.entry.key
        window: EvaluationWindow = load_window(one.entry, workspace.root, params.encode)
        outputs_of_sample = {run: videos[key] for run, videos in decoded.items() if key in videos}
        yield SampleVideos(
            truth=window.pixels,
            product=window.product,
            hole=window.mask,
            raw=outputs_of_sample["generated"],
            # A feathered edge would let the template's own product shine through at the product's border.
            runs={run: composite(video, window.pixels, window.mask, 0) for run, video in outputs_of_sample.items()},
            mean_fill=np.where(window.mask[..., None], fill, window.pixels),
        )


def _photos(entry: DatasetEntry, workspace: Workspace, params: Params) -> list[npt.NDArray[np.uint8]]:
    return [read_photo(workspace.root / path) for path in entry.photo_paths[: params.encode.max_photos]]


def _photo_paths(partner: EncodedSample, chosen: Sequence[_Chosen], params: Params) -> tuple[str, ...]:
    entry = next(one.entry for one in chosen if one.entry.key == partner.key)
    return entry.photo_paths[: params.encode.max_photos]


def _gallery(
    chosen: Sequence[_Chosen], photos: Mapping[str, Sequence[npt.NDArray[np.uint8]]], side: int
) -> dict[str, Appearance]:
    products = sorted({one.entry.product_id for one in chosen})
    looks = {product: embed_photos(photos[product], side) for product in products}
    return {product: look for product, look in looks.items() if look is not None}


def _mean_product_colour(workspace: Workspace, params: Params, chosen: Sequence[_Chosen]) -> npt.NDArray[np.uint8]:
    """The mean colour of the evaluated training products, (3,); mid-grey without training samples.

    It is what someone knows of a product who has seen only others.
    """
    sums, count = np.zeros(3), 0
    for one in chosen:
        if one.entry.split == "train":
            window = load_window(one.entry, workspace.root, params.encode)
            sums += window.pixels[window.product].sum(axis=0, dtype=np.float64)
            count += int(window.product.sum())
    mean = sums / count if count else np.full(3, 127.5)
    return np.rint(mean).astype(np.uint8)


class _FvdFeatures:
    """Collects I3D features of outputs and ground truths of one split."""

    def __init__(self, embedder: VideoEmbedder | None) -> None:
        self._embedder = embedder
        self._features: list[npt.NDArray[np.float64]] = []  # (2, D) each: output, ground truth

    def add(self, output: Video, truth: Video) -> None:
        if self._embedder is not None:
            self._features.append(self._embedder([output, truth]))

    def distance(self, min_n: int) -> FvdResult | None:
        if self._embedder is None:
            return None
        n = len(self._features)
        if n < min_n:
            return FvdResult(None, n)
        stacked = np.stack(self._features)
        return FvdResult(frechet_distance(stacked[:, 0], stacked[:, 1]), n)


def _write(videos: SampleVideos, out: Path, entry: DatasetEntry, params: Params) -> dict[str, str]:
    """Write a sample's videos; returns their paths relative to `out`."""
    shown = {
        "generated": videos.runs["generated"],
        "ground_truth": videos.truth,
        "masked": masked_video(videos.truth, videos.hole, params.encode.mask.fill),
        "mask": mask_video(videos.hole),
    }
    if "swapped" in videos.runs:
        shown["swapped"] = videos.runs["swapped"]
    folder = Path("videos") / entry.split / entry.key
    write_videos(out / folder, shown, entry.fps / params.encode.frame_stride)
    return {name: (folder / f"{name}.mp4").as_posix() for name in shown}


def _keep_videos(samples: Sequence[EvaluatedSample], out: Path) -> list[EvaluatedSample]:
    """Drop the videos of all samples but those to rate and each split's worst by product PSNR."""

    def quality(sample: EvaluatedSample) -> float:
        value = sample.metrics["product_psnr"]
        return float("inf") if value is None else value

    worst = {
        sample.key
        for split in SPLITS
        for sample in sorted((one for one in samples if one.split == split), key=quality)[:NUM_WORST]
    }
    kept = []
    for sample in samples:
        if not sample.to_rate and sample.key not in worst:
            shutil.rmtree(out / "videos" / sample.split / sample.key)
            sample = sample.model_copy(update={"videos": {}})
        kept.append(sample)
    return kept


def _as_csv(metrics: Mapping[Split, Mapping[str, MetricValue]]) -> str:
    """The measured metrics as `split,metric,value,low,high`, for DVC plots."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "metric", "value", "low", "high"])
    for split, values in metrics.items():
        for name, metric in values.items():
            if metric.value is not None:
                writer.writerow([split, name, metric.value, metric.low, metric.high])
    return text.getvalue()
