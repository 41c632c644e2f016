"""An evaluation from end to end: choose samples, generate, measure, keep videos, summarise."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pvtt.encoding.masks import MaskShape
from pvtt.encoding.windows import EvaluationWindow
from pvtt.errors import PvttError
from pvtt.evaluation.certify import certify
from pvtt.evaluation.contenders import all as contenders
from pvtt.evaluation.contenders.contender import HoleShape, Sampler, Setting, Task
from pvtt.evaluation.contenders.model import MODEL, SWAPPED, Sampled
from pvtt.evaluation.fingerprint import fingerprint
from pvtt.evaluation.generate import Generator, read_conditions, sampling
from pvtt.evaluation.measure import load_networks, measure_sample
from pvtt.evaluation.metrics.fvd import frechet_distance
from pvtt.evaluation.metrics.identity import embed_photos
from pvtt.evaluation.metrics.metric import Appearance, Networks, Scene
from pvtt.evaluation.samples import Chosen, Windows, choose, photo_paths, read_photos, shown_samples
from pvtt.evaluation.summary import FvdResult, summarise_split
from pvtt.evaluation.videos import mask_video, masked_video, write_videos
from pvtt.files.atomic import atomic_directory, atomic_write_text
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.files.workspace import Workspace
from pvtt.generation.composite import composite
from pvtt.items.cache import ItemCache
from pvtt.items.progress import Progress
from pvtt.media.arrays import Rgba, Video
from pvtt.models.contracts import Contracts
from pvtt.models.origin import model_sha256
from pvtt.params.file import Params
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import SPLITS, DatasetEntry, Split
from pvtt.records.evaluation import (
    EVALUATED_FILE,
    EvaluatedSample,
    EvaluationMetrics,
    EvaluationRun,
    MetricValue,
    write_metrics,
)

STAGE = "evaluate"
NUM_WORST = 2  # samples a split whose videos are kept because they are the worst


@dataclass(frozen=True)
class EvaluateJob:
    """What `run_evaluation` works on; picklable, so that it can run on another machine.

    Args:
        workspace: The project's folders.
        model: Folder of the trained pipeline, relative to the workspace.
        params: All of params.yaml.
    """

    workspace: Workspace
    model: str
    params: Params


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
    chosen = choose(workspace, params)
    if not chosen:
        raise PvttError(
            "there is no encoded sample to evaluate", "read outs/validate/rejects.jsonl and outs/encode/rejects.jsonl"
        )
    cache = ItemCache(workspace.cache / STAGE)
    cache.sweep()
    model = workspace.root / job.model
    run = _describe(job, chosen, device, certified)
    generator = Generator(
        model=model,
        base=workspace.root / params.model.base,
        model_sha256=run.model_sha256,
        base_sha256=run.fingerprint.base_sha256,
        params=params,
        device=device,
        cache=cache,
    )
    generator.pipeline.contracts.require_equal(Contracts.from_params(params.encode), "outs/encode")

    with atomic_directory(workspace.out(STAGE)) as out:
        with Windows.open(workspace, params, workspace.cache / STAGE) as windows:
            evaluation = Evaluation(workspace, params, chosen, generator, networks, windows, out)
            samples, fvd = evaluation.run()
        samples = _keep_videos(samples, out)
        of_splits: dict[Split, dict[str, MetricValue]] = {
            split: summarise_split(
                [one for one in samples if one.split == split], params.evaluate, params.seed, fvd[split]
            )
            for split in SPLITS
        }
        metrics = EvaluationMetrics(run_id=run.run_id, **of_splits)
        write_jsonl(out / EVALUATED_FILE, samples)
        atomic_write_text(out / "run.json", run.to_json(indent=2) + "\n")
        atomic_write_text(out / "metrics.csv", _as_csv(metrics))
    write_metrics(workspace.metrics / f"{STAGE}.json", metrics)


def _describe(job: EvaluateJob, chosen: Sequence[Chosen], device: str, certified: tuple[str, ...]) -> EvaluationRun:
    workspace, params = job.workspace, job.params
    model_hash = model_sha256(workspace.root / job.model)
    base_hash = model_sha256(workspace.root / params.model.base / "transformer")
    dataset_hash = _dataset_sha256(workspace, chosen)
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    mark = fingerprint(workspace.root, params, dataset_hash, base_hash, name, torch.get_num_threads())
    return EvaluationRun(
        run_id=run_id(model_hash, dataset_hash, params),
        model=job.model,
        model_sha256=model_hash,
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
            sha256_file(encoded / one.encoded.path),
        ]
        for one in chosen
    ]
    return sha256_json(inputs)


def run_id(model_hash: str, dataset_hash: str, params: Params) -> str:
    """What ratings are kept by: it stands for the model's videos, not for how they are measured.

    Args:
        model_hash: Of the trained pipeline.
        dataset_hash: Of the evaluated samples.
        params: All of params.yaml.
    """
    code = code_of(Generator, Windows, Sampled)
    selected = params.evaluate.max_clips_per_split
    identity = [model_hash, dataset_hash, shown_samples(params), sampling(params), selected, code]
    return sha256_json(identity)[:12]


class Evaluation:
    """Reads each sample once and passes it through generate → measure → keep, a batch at a time.

    Args:
        workspace: The project's folders.
        params: All of params.yaml.
        chosen: The samples to evaluate.
        sampler: The networks that contenders share.
        networks: The networks that measure.
        windows: The samples' pixels.
        out: Folder for the videos.
    """

    def __init__(
        self,
        workspace: Workspace,
        params: Params,
        chosen: Sequence[Chosen],
        sampler: Sampler,
        networks: Networks,
        windows: Windows,
        out: Path,
    ) -> None:
        self._workspace = workspace
        self._params = params
        self._chosen = chosen
        self._sampler = sampler
        self._networks = networks
        self._windows = windows
        self._out = out

    def run(self) -> tuple[list[EvaluatedSample], dict[Split, FvdResult | None]]:
        """All samples with their scores, and each split's FVD."""
        training = [one.entry for one in self._chosen if one.entry.split == "train"]
        setting = Setting(self._sampler, self._windows.mean_product_colour(training), _hole_shape(self._params))
        features = {split: _FvdFeatures(self._networks.fvd) for split in SPLITS}
        samples = []
        file = self._workspace.progress / f"{STAGE}.json"
        with Progress(STAGE, len(self._chosen), file, unit="samples") as progress:
            for split in SPLITS:
                for sample in self._run_split(
                    [one for one in self._chosen if one.entry.split == split], setting, features[split]
                ):
                    samples.append(sample)
                    progress.advance(note=f"{sample.split} {sample.key}")
        return samples, {split: features[split].distance(self._params.evaluate.fvd_min_n) for split in SPLITS}

    def _run_split(
        self, chosen: Sequence[Chosen], setting: Setting, features: _FvdFeatures
    ) -> Iterator[EvaluatedSample]:
        photos = {one.entry.product_id: read_photos(one.entry, self._workspace, self._params) for one in chosen}
        gallery = self._gallery(photos)
        size = self._params.evaluate.batch_size
        for start in range(0, len(chosen), size):
            batch = chosen[start : start + size]
            for one, scene in zip(batch, self._generate(batch, photos, gallery, setting), strict=True):
                features.add(scene.output, scene.truth)
                yield self._keep(one, scene, measure_sample(scene))

    def _gallery(self, photos: Mapping[str, Sequence[Rgba]]) -> dict[str, Appearance]:
        side = min(self._params.encode.width, self._params.encode.height)
        looks = {product: embed_photos(photos[product], side) for product in sorted(photos)}
        return {product: look for product, look in looks.items() if look is not None}

    def _generate(
        self,
        batch: Sequence[Chosen],
        photos: Mapping[str, Sequence[Rgba]],
        gallery: Mapping[str, Appearance],
        setting: Setting,
    ) -> Iterator[Scene]:
        """What all contenders make of a batch's samples."""
        windows = [self._windows.read(one.entry) for one in batch]
        tasks = [
            self._task(one, window, photos[one.entry.product_id]) for one, window in zip(batch, windows, strict=True)
        ]
        made = {contender.name: contender.videos(tasks, setting) for contender in contenders.CONTENDERS}
        for index, (one, window) in enumerate(zip(batch, windows, strict=True)):
            outputs = {
                name: composite(video, window.template, window.mask)
                for name, videos in made.items()
                if (video := videos[index]) is not None
            }
            raw = made[MODEL.name][index]
            assert raw is not None  # every sample has its own photos
            yield Scene(
                truth=window.pixels,
                product=window.product,
                hole=window.mask,
                raw=raw,
                output=outputs.pop(MODEL.name),
                others=outputs,
                product_id=one.entry.product_id,
                partner_id=None if one.partner is None else one.partner.product_id,
                gallery=gallery,
                photos=photos[one.entry.product_id],
                networks=self._networks,
            )

    def _task(self, one: Chosen, window: EvaluationWindow, photos: Sequence[Rgba]) -> Task:
        folder = self._workspace.out("encode")
        return Task(
            key=one.entry.key,
            template=masked_video(window.template, window.mask, self._params.encode.mask.fill),
            hole=window.mask,
            photos=photos,
            conditions=read_conditions(folder, one.encoded),
            partner=None if one.partner is None else read_conditions(folder, one.partner),
        )

    def _keep(self, one: Chosen, scene: Scene, metrics: Mapping[str, float | None]) -> EvaluatedSample:
        entry, partner = one.entry, one.partner_entry
        return EvaluatedSample(
            split=entry.split,
            product_id=entry.product_id,
            clip_id=entry.clip_id,
            category=entry.category,
            caption=entry.caption,
            swapped_product_id=scene.partner_id,
            photo_paths=photo_paths(entry, self._params),
            swapped_photo_paths=() if partner is None else photo_paths(partner, self._params),
            to_rate=one.to_rate,
            videos=self._write(entry, scene),
            metrics=dict(metrics),
        )

    def _write(self, entry: DatasetEntry, scene: Scene) -> dict[str, str]:
        """Write a sample's videos; returns their paths relative to `out`."""
        shown = {
            MODEL.name: scene.output,
            "ground_truth": scene.truth,
            "masked": masked_video(scene.truth, scene.hole, self._params.encode.mask.fill),
            "mask": mask_video(scene.hole),
        }
        if SWAPPED.name in scene.others:
            shown[SWAPPED.name] = scene.others[SWAPPED.name]
        folder = Path("videos") / entry.split / entry.key
        write_videos(self._out / folder, shown, entry.fps / self._params.encode.frame_stride)
        return {name: (folder / f"{name}.mp4").as_posix() for name in shown}


def _hole_shape(params: Params) -> HoleShape:
    mask = params.encode.mask
    return HoleShape(MaskShape.evaluation(mask).kind, mask.dilation)


class _FvdFeatures:
    """Collects I3D features of outputs and ground truths of one split."""

    def __init__(self, embedder: Callable[[Sequence[Video]], npt.NDArray[np.float64]] | None) -> None:
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


def _as_csv(metrics: EvaluationMetrics) -> str:
    """The measured metrics as `split,metric,value,low,high`, for DVC plots."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "metric", "value", "low", "high"])
    for split in SPLITS:
        for name, metric in metrics.of_split(split).items():
            if metric.value is not None:
                writer.writerow([split, name, metric.value, metric.low, metric.high])
    return text.getvalue()
