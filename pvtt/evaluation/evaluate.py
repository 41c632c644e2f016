"""An evaluation from end to end: choose samples, generate, measure, keep videos, summarise."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pvtt.encoding.collage import HoleShape
from pvtt.encoding.masks import MaskShape
from pvtt.encoding.windows import EvaluationWindow
from pvtt.errors import PvttError
from pvtt.evaluation.certification.all import certify
from pvtt.evaluation.contenders import all as contenders
from pvtt.evaluation.contenders.contender import Contender, Network, Route, Sampler, Setting, Task
from pvtt.evaluation.contenders.external import AskedFilm
from pvtt.evaluation.contenders.mean_fill import MeanFill
from pvtt.evaluation.contenders.model import MODEL, SWAPPED, Sampled
from pvtt.evaluation.contenders.motion import TemplateMotion
from pvtt.evaluation.contenders.paste import Paste
from pvtt.evaluation.contenders.routes import load_routes, record_of
from pvtt.evaluation.fingerprint import fingerprint
from pvtt.evaluation.generate import Generator, Pasting, read_conditions, sampling
from pvtt.evaluation.measure import load_networks, measure_sample
from pvtt.evaluation.metrics.fvd import FvdFeatures, FvdResult
from pvtt.evaluation.metrics.identity import embed_photos
from pvtt.evaluation.metrics.metric import Appearance, Networks, Scene, Values
from pvtt.evaluation.samples import Chosen, Windows, choose, photos_of, shown_samples
from pvtt.evaluation.scores import require_own_names
from pvtt.evaluation.summary import summarise, summarise_categories
from pvtt.evaluation.vbench import with_vbench
from pvtt.evaluation.videos import mask_video, masked_video, write_videos
from pvtt.files.atomic import atomic_directory, atomic_write_text
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.files.workspace import Workspace
from pvtt.generation.composite import Compositor
from pvtt.items.cache import ItemCache
from pvtt.items.progress import Progress
from pvtt.media.arrays import Rgba, Video
from pvtt.media.inpaint import inpaint
from pvtt.models.contracts import Contracts
from pvtt.models.origin import model_sha256
from pvtt.params.file import Params
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import EncodedSample, read_transfers
from pvtt.records.evaluation import (
    EVALUATED_FILE,
    EvaluatedSample,
    EvaluationMetrics,
    EvaluationRun,
    RouteRecord,
    write_metrics,
)
from pvtt.records.parts import PARTS, Part

STAGE = "evaluate"
MOST_THREADS = 4  # samples that are read or measured side by side; each holds all its contenders' videos
NUM_WORST = 2  # samples a part whose videos are kept because they are the worst


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
    certified = certify(networks)
    chosen = choose(workspace, params)
    if not chosen:
        raise PvttError(
            "there is no encoded sample to evaluate", "read outs/validate/rejects.jsonl and outs/encode/rejects.jsonl"
        )
    cache = ItemCache(workspace.cache / STAGE)
    cache.sweep()
    routes = load_routes(workspace.root, params, _asked_films(chosen, params), device, cache)
    require_own_names(routes.contenders)
    model = workspace.root / job.model
    champion = _champion(params)
    run = describe_run(job, chosen, device, certified)
    hashes: dict[Network, str] = {"model": run.model_sha256, "base": run.fingerprint.base_sha256, **routes.hashes}
    if run.champion_sha256 is not None:
        hashes["champion"] = run.champion_sha256
    generator = Generator(
        model=model,
        champion=None if champion is None else workspace.root / champion,
        base=workspace.root / params.model.base,
        hashes=hashes,
        params=params,
        device=device,
        cache=cache,
        routes=routes.networks,
    )
    generator.pipeline.contracts.require_equal(Contracts.from_params(params.encode), "outs/encode")

    samplers = [generator.of_generation(number) for number in range(params.evaluate.seeds)]
    with atomic_directory(workspace.out(STAGE)) as out:
        with Windows.open(workspace, params, workspace.cache / STAGE) as windows:
            evaluation = Evaluation(
                workspace, params, chosen, samplers, networks, windows, out, routes=routes.contenders
            )
            samples, fvd = evaluation.run()
        samples = with_vbench(samples, out, workspace.root, params.evaluate.vbench)
        samples = _keep_videos(samples, out)
        records = [record_of(route) for route in routes.contenders]
        metrics = summarise_run(run.run_id, samples, fvd, job, routes.contenders, records)
        write_jsonl(out / EVALUATED_FILE, samples)
        atomic_write_text(out / "run.json", run.to_json(indent=2) + "\n")
        atomic_write_text(out / "metrics.csv", as_csv(metrics))
    write_metrics(workspace.metrics / f"{STAGE}.json", metrics)


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
    num_products = {part: len({one.product_id for one in samples if one.part in _asked(part)}) for part in PARTS}
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


def _asked_films(chosen: Sequence[Chosen], params: Params) -> list[AskedFilm]:
    """What samples ask of films that were made elsewhere."""
    encode = params.encode
    return [
        AskedFilm(
            part=one.part,
            key=one.entry.key,
            num_frames=encode.num_frames,
            width=encode.width,
            height=encode.height,
            fps=one.entry.fps / encode.frame_stride,
        )
        for one in chosen
        if one.part in params.evaluate.parts
    ]


def _champion(params: Params) -> str | None:
    """Folder of the model that training continued."""
    return params.model.champion if params.train.start == "champion" else None


def describe_run(job: EvaluateJob, chosen: Sequence[Chosen], device: str, certified: tuple[str, ...]) -> EvaluationRun:
    """`outs/evaluate/run.json`: the hashes of the model, the samples and the code, and the run's id from them.

    Args:
        job: What is evaluated.
        chosen: The samples.
        device: That it runs on: `cuda` or `cpu`.
        certified: The evaluator's own checks that passed.
    """
    workspace, params = job.workspace, job.params
    model_hash = model_sha256(workspace.root / job.model)
    champion = _champion(params)
    base_hash = model_sha256(workspace.root / params.model.base / "transformer")
    dataset_hash = _dataset_sha256(workspace, chosen)
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    mark = fingerprint(workspace.root, params, dataset_hash, base_hash, name, torch.get_num_threads())
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


class Evaluation:
    """Reads each sample once and passes it through generate → measure → keep, a batch at a time.

    Args:
        workspace: The project's folders.
        params: All of params.yaml.
        chosen: The samples to evaluate.
        samplers: The networks that contenders share, one for each generation.
        networks: The networks that measure.
        windows: The samples' pixels.
        out: Folder for the videos.
        routes: Contenders beside those of every run.
    """

    def __init__(
        self,
        workspace: Workspace,
        params: Params,
        chosen: Sequence[Chosen],
        samplers: Sequence[Sampler],
        networks: Networks,
        windows: Windows,
        out: Path,
        routes: Sequence[Route] = (),
    ) -> None:
        self._workspace = workspace
        self._params = params
        self._chosen = chosen
        self._samplers = tuple(samplers)
        self._networks = networks
        self._windows = windows
        self._out = out
        self._routes = routes

    def run(self) -> tuple[list[EvaluatedSample], dict[Part, FvdResult | None]]:
        """All samples with their scores, and each part's FVD."""
        training = [one.entry for one in self._chosen if one.part == "train"]
        mean, shape = self._windows.mean_product_colour(training), _hole_shape(self._params)
        settings = [Setting(sampler, mean, shape) for sampler in self._samplers]
        features = {part: FvdFeatures(self._networks.fvd) for part in PARTS}
        samples = []
        file = self._workspace.progress / f"{STAGE}.json"
        parts = [part for part in PARTS if part in self._params.evaluate.parts]
        with Progress(STAGE, sum(one.part in parts for one in self._chosen), file, unit="samples") as progress:
            for part in parts:
                for sample in self._run_part(part, settings, features[part]):
                    samples.append(sample)
                    progress.advance(note=f"{sample.part} {sample.key}")
        return samples, {part: features[part].distance(self._params.evaluate.fvd_min_n) for part in PARTS}

    def _run_part(self, part: Part, settings: Sequence[Setting], features: FvdFeatures) -> Iterator[EvaluatedSample]:
        chosen = [one for one in self._chosen if one.part == part]
        shown = [one for one in self._chosen if one.part in _asked(part)]
        photos = {one.entry.product_id: photos_of(one.entry, self._workspace, self._params) for one in shown}
        gallery = self._gallery(photos) if chosen else {}
        size = self._params.evaluate.batch_size
        for start in range(0, len(chosen), size):
            batch = chosen[start : start + size]
            for scenes, sample in self._run_batch(batch, photos, gallery, settings):
                features.add([scene.output for scene in scenes], scenes[0].truth)
                yield sample

    def _gallery(self, photos: Mapping[str, Sequence[Rgba]]) -> dict[str, Appearance]:
        side = min(self._params.encode.width, self._params.encode.height)
        looks = {product: embed_photos(photos[product], side) for product in sorted(photos)}
        return {product: look for product, look in looks.items() if look is not None}

    def _run_batch(
        self,
        batch: Sequence[Chosen],
        photos: Mapping[str, Sequence[Rgba]],
        gallery: Mapping[str, Appearance],
        settings: Sequence[Setting],
    ) -> Iterator[tuple[list[Scene], EvaluatedSample]]:
        """Each sample's generations and scores, after all contenders have made their videos of the batch."""

        def read(one: Chosen) -> tuple[EvaluationWindow, Task]:
            window = self._windows.read(one.entry)
            return window, self._task(one, window, photos, settings[0].hole)

        def finish(index: int) -> tuple[list[Scene], EvaluatedSample]:
            scenes = []
            for of_generation in made:
                videos = {
                    name: video for name, of_batch in of_generation.items() if (video := of_batch[index]) is not None
                }
                scenes.append(self._scene(batch[index], given[index][0], videos, photos, gallery))
            measured = [measure_sample(scene, self._routes) for scene in scenes]
            return scenes, self._keep(batch[index], scenes[0], measured)

        # What is no network's work takes one core a sample.
        with _side_by_side(min(MOST_THREADS, torch.get_num_threads())) as do:
            given = list(do(read, batch))
            tasks = [task for _, task in given]
            everyone = contenders.contenders(self._routes)
            made = [{contender.name: contender.videos(tasks, settings[0]) for contender in everyone}]
            for setting in settings[1:]:
                again = {one.name: one.videos(tasks, setting) for one in everyone if one.varies}
                made.append(made[0] | again)
            yield from do(finish, range(len(batch)))

    def _scene(
        self,
        one: Chosen,
        window: EvaluationWindow,
        videos: Mapping[str, Video],
        photos: Mapping[str, Sequence[Rgba]],
        gallery: Mapping[str, Appearance],
    ) -> Scene:
        """What metrics see of a sample, given each contender's video, (F, H, W, 3), before compositing."""
        compositor = Compositor(window.template, window.mask)
        outputs = {name: compositor.put(video) for name, video in videos.items()}
        return Scene(
            truth=window.pixels,
            template=window.template,
            product=window.product,
            hole=window.mask,
            raw=videos[MODEL.name],
            output=outputs.pop(MODEL.name),
            others=outputs,
            product_id=one.entry.product_id,
            partner_id=None if one.partner is None else one.partner.product_id,
            template_id=one.template_product_id,
            gallery=gallery,
            photos=photos[one.entry.product_id],
            networks=self._networks,
            caption=one.entry.caption,
        )

    def _task(
        self, one: Chosen, window: EvaluationWindow, photos: Mapping[str, Sequence[Rgba]], shape: HoleShape
    ) -> Task:
        folder, fill = self._workspace.out("encode"), self._params.encode.mask.fill
        template = masked_video(window.template, window.mask, fill)
        inpainted = inpaint(template, window.mask)

        def pasting(encoded: EncodedSample) -> Pasting:
            return Pasting(window.template, inpainted, window.mask, photos[encoded.product_id], shape, fill)

        own, partner = pasting(one.encoded), one.partner
        return Task(
            key=one.entry.key,
            template=template,
            hole=window.mask,
            photos=photos[one.entry.product_id],
            conditions=replace(read_conditions(folder, one.encoded), pasting=own),
            partner=None if partner is None else replace(read_conditions(folder, partner), pasting=pasting(partner)),
            inpainted=inpainted,
            collage=own.collage,
            caption=one.entry.caption,
            motion=TemplateMotion(window.template, window.replaced),
        )

    def _keep(self, one: Chosen, scene: Scene, measured: Sequence[Values]) -> EvaluatedSample:
        return one.evaluated(self._params, self._write(one, scene), measured)

    def _write(self, one: Chosen, scene: Scene) -> dict[str, str]:
        """Write a sample's videos; returns their paths relative to `out`."""
        shown = {
            MODEL.name: scene.output,
            "ground_truth": scene.truth,
            "masked": masked_video(scene.template, scene.hole, self._params.encode.mask.fill),
            "mask": mask_video(scene.hole),
        }
        beside = [SWAPPED.name, *([Paste.name, *(route.name for route in self._routes)] if self._routes else ())]
        beside += [MeanFill.name] if one.to_rate else []  # hidden among the videos that people rate
        shown |= {name: scene.others[name] for name in beside if name in scene.others}
        if scene.template_id is not None:
            shown["template"] = scene.template
        folder = Path("videos") / one.part / one.entry.key
        write_videos(self._out / folder, shown, one.entry.fps / self._params.encode.frame_stride)
        return {name: (folder / f"{name}.mp4").as_posix() for name in shown}


@contextmanager
def _side_by_side(num_threads: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """`map` over so many threads; over one, in the caller's own."""
    if num_threads == 1:
        yield map
    else:
        with ThreadPoolExecutor(num_threads) as pool:
            yield pool.map


def _asked(part: Part) -> tuple[Part, ...]:
    """The parts among whose products a sample's is sought: of a transfer also test's, since its template shows one."""
    return ("test", "transfer") if part == "transfer" else (part,)


def _hole_shape(params: Params) -> HoleShape:
    mask = params.encode.mask
    return HoleShape(MaskShape.evaluation(mask).kind, mask.dilation)


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
