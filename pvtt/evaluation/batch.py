"""A batch of samples: read → generate → measure → keep. The unit of an evaluation that is made and kept as one.

A process takes one batch after the other and loads networks once. On a CPU it computes with one thread, so that figures
do not depend on how many cores a machine has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from pydantic import Field

from pvtt.encoding.collage import HoleShape
from pvtt.encoding.masks import MaskShape
from pvtt.encoding.windows import EvaluationWindow
from pvtt.evaluation.certification.all import certify
from pvtt.evaluation.contenders import all as contenders
from pvtt.evaluation.contenders.contender import Network, Setting, Task
from pvtt.evaluation.contenders.external import asked_films
from pvtt.evaluation.contenders.mean_fill import MeanFill
from pvtt.evaluation.contenders.model import MODEL, SWAPPED, UNTRAINED
from pvtt.evaluation.contenders.motion import TemplateMotion
from pvtt.evaluation.contenders.paste import Paste
from pvtt.evaluation.contenders.routes import load_routes
from pvtt.evaluation.generate import Generator, Pasting, read_conditions
from pvtt.evaluation.measure import load_networks, measure_sample
from pvtt.evaluation.metrics.fvd import FvdFeatures
from pvtt.evaluation.metrics.identity import embed_photos
from pvtt.evaluation.metrics.metric import Appearance, Scene
from pvtt.evaluation.samples import Chosen, Windows, choose, photos_of
from pvtt.evaluation.videos import mask_video, masked_video, write_videos
from pvtt.files.hashing import sha256_json
from pvtt.files.workspace import Workspace
from pvtt.generation.composite import Compositor
from pvtt.items.cache import ItemCache
from pvtt.media.arrays import Rgba, Video
from pvtt.media.inpaint import inpaint
from pvtt.params.encode import EncodeParams
from pvtt.params.evaluate import EvaluateParams
from pvtt.params.file import Params
from pvtt.records.base import Record
from pvtt.records.dataset import EncodedSample
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.parts import Part

STAGE = "evaluate"
FEATURES_FILE = "fvd.npy"  # of each sample in the batch's order: of its generations and its ground truth, (N, S + 1, D)
MOST_THREADS = 4  # samples that are read or measured side by side; each holds all its contenders' videos


class BatchParams(Record):
    """What a batch depends on of params.yaml."""

    encode: EncodeParams
    evaluate: EvaluateParams
    seed: int
    base: str
    champion: str | None  # None: training started from the base
    conditioning: tuple[str, ...]
    precision: str

    @classmethod
    def of(cls, params: Params) -> Self:
        return cls(
            encode=params.encode,
            evaluate=params.evaluate,
            seed=params.seed,
            base=params.model.base,
            champion=champion_of(params),
            conditioning=params.model.conditioning,
            precision=params.train.precision,
        )


class BatchJob(Record):
    """A batch to evaluate. Places on this machine stay out of its JSON, so that the item cache can move.

    Args:
        part: The samples'.
        keys: Theirs, in order.
        model: Folder of the trained pipeline, relative to the workspace.
        hashes: Of each network, for the cache of latents.
        mean_colour: Of the evaluated training products, RGB.
        params: All of params.yaml; `BatchParams` are those that count.
        root: The workspace's root.
    """

    part: Part
    keys: tuple[str, ...]
    model: str
    hashes: dict[Network, str]
    mean_colour: tuple[int, int, int]
    params: Params = Field(exclude=True)
    root: Path = Field(exclude=True)


class EvaluatedBatch(Record):
    """What came of a batch. Paths of videos are relative to its folder; `FEATURES_FILE` is there where FVD is measured.

    `certified` are the evaluator's own checks, which passed in the process that measured.
    """

    samples: tuple[EvaluatedSample, ...]
    certified: tuple[str, ...]
    device: str
    num_threads: int


def evaluate_batch(job: BatchJob, directory: Path, params: BatchParams) -> EvaluatedBatch:
    """Evaluate the samples of a batch and write their videos into `directory`.

    Raises:
        MissingInputError: A model or an encoded sample is missing.
        PvttError: The evaluator fails its own checks, or the model and the samples do not fit.
    """
    threads = torch.get_num_threads()
    evaluator = _evaluator(job, params)
    torch.set_num_threads(threads if evaluator.device == "cuda" else 1)
    try:
        return evaluator.run(job, directory, threads)
    finally:
        torch.set_num_threads(threads)


_loaded: dict[str, Evaluator] = {}  # the last one's, so that a process loads its networks once


def _evaluator(job: BatchJob, params: BatchParams) -> Evaluator:
    key = sha256_json([str(job.root), job.model, job.hashes, params.to_json()])
    if key not in _loaded:
        _loaded.clear()
        _loaded[key] = Evaluator(job)
    return _loaded[key]


class Evaluator:
    """Evaluates batches of one evaluation.

    Args:
        job: Any of them.
    """

    def __init__(self, job: BatchJob) -> None:
        self._workspace = Workspace(job.root)
        self._params = params = job.params
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._networks = load_networks(job.root, params.evaluate, self.device)
        self._certified = certify(self._networks)
        self._chosen = choose(self._workspace, params)
        cache = ItemCache(self._workspace.cache / STAGE)
        routes = load_routes(job.root, params, asked_films(self._chosen, params), self.device, cache)
        self._routes = routes.contenders
        champion = champion_of(params)
        self._generator = Generator(
            model=job.root / job.model,
            champion=None if champion is None else job.root / champion,
            base=job.root / params.model.base,
            hashes=job.hashes,
            params=params,
            device=self.device,
            cache=cache,
            routes=routes.networks,
        )
        mask = params.encode.mask
        hole = HoleShape(MaskShape.evaluation(mask).kind, mask.dilation)
        mean = np.asarray(job.mean_colour, np.uint8)
        samplers = [self._generator.of_generation(number) for number in range(params.evaluate.seeds)]
        self._settings = [Setting(sampler, mean, hole) for sampler in samplers]
        self._windows = Windows(self._workspace, params)
        self._shown: dict[Part, Shown] = {}

    def run(self, job: BatchJob, out: Path, threads: int) -> EvaluatedBatch:
        """Evaluate a batch.

        Args:
            job: The batch.
            out: Folder for its videos.
            threads: Samples that are read or measured side by side, at most `MOST_THREADS`.
        """
        by_key = {one.entry.key: one for one in self._chosen if one.part == job.part}
        batch = [by_key[key] for key in job.keys]
        if job.part not in self._shown:
            self._shown[job.part] = Shown(self._chosen, job.part, self._workspace, self._params)
        features, samples = FvdFeatures(self._networks.fvd), []
        for scenes, sample in self._run_batch(batch, self._shown[job.part], out, min(MOST_THREADS, threads)):
            features.add([scene.output for scene in scenes], scenes[0].truth)
            samples.append(sample)
        if features.features:
            np.save(out / FEATURES_FILE, np.stack(features.features))
        return EvaluatedBatch(
            samples=tuple(samples),
            certified=self._certified,
            device=torch.cuda.get_device_name() if self.device == "cuda" else self.device,
            num_threads=torch.get_num_threads(),
        )

    def _run_batch(
        self,
        batch: Sequence[Chosen],
        shown: Shown,
        out: Path,
        threads: int,
    ) -> Iterator[tuple[list[Scene], EvaluatedSample]]:
        """Each sample's generations and scores, after all contenders have made their videos of the batch."""

        def read(one: Chosen) -> tuple[EvaluationWindow, Task]:
            window = self._windows.read(one.entry)
            return window, self._task(one, window, shown.photos)

        def finish(index: int) -> tuple[list[Scene], EvaluatedSample]:
            scenes = []
            for of_generation in made:
                videos = {
                    name: video for name, of_batch in of_generation.items() if (video := of_batch[index]) is not None
                }
                scenes.append(self._scene(batch[index], given[index][0], videos, shown))
            measured = [measure_sample(scene, self._routes) for scene in scenes]
            written = self._write(batch[index], scenes[0], out)
            return scenes, batch[index].evaluated(self._params, written, measured)

        # What is no network's work takes one core a sample.
        with _side_by_side(threads) as do:
            given = list(do(read, batch))
            tasks = [task for _, task in given]
            everyone = contenders.contenders(self._routes)
            made = [{contender.name: contender.videos(tasks, self._settings[0]) for contender in everyone}]
            for setting in self._settings[1:]:
                again = {one.name: one.videos(tasks, setting) for one in everyone if one.varies}
                made.append(made[0] | again)
            yield from do(finish, range(len(batch)))

    def _scene(
        self,
        one: Chosen,
        window: EvaluationWindow,
        videos: Mapping[str, Video],
        shown: Shown,
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
            gallery=shown.gallery,
            photos=shown.photos[one.entry.product_id],
            networks=self._networks,
            caption=one.entry.caption,
        )

    def _task(self, one: Chosen, window: EvaluationWindow, photos: Mapping[str, Sequence[Rgba]]) -> Task:
        folder, fill, hole = self._workspace.out("encode"), self._params.encode.mask.fill, self._settings[0].hole
        template = masked_video(window.template, window.mask, fill)
        inpainted = inpaint(template, window.mask)

        def pasting(encoded: EncodedSample) -> Pasting:
            return Pasting(window.template, inpainted, window.mask, photos[encoded.product_id], hole, fill)

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

    def _write(self, one: Chosen, scene: Scene, out: Path) -> dict[str, str]:
        """Write a sample's videos; returns their paths relative to `out`."""
        shown = {
            MODEL.name: scene.output,
            "ground_truth": scene.truth,
            "masked": masked_video(scene.template, scene.hole, self._params.encode.mask.fill),
            "mask": mask_video(scene.hole),
        }
        beside = [SWAPPED.name, *([Paste.name, *(route.name for route in self._routes)] if self._routes else ())]
        beside += [MeanFill.name] if one.to_rate else []  # hidden among the videos that people rate
        beside += [UNTRAINED.name] if one.part == "transfer" else []  # a criterion there: the gate measures it again
        shown |= {name: scene.others[name] for name in beside if name in scene.others}
        if scene.template_id is not None:
            shown["template"] = scene.template
        folder = Path("videos") / one.part / one.entry.key
        write_videos(out / folder, shown, one.entry.fps / self._params.encode.frame_stride)
        return {name: (folder / f"{name}.mp4").as_posix() for name in shown}


class Shown:
    """The photos of a part, and what its products look like: among these a sample's is sought.

    Args:
        chosen: All samples of the evaluation.
        part: Which.
        workspace: The project's folders.
        params: All of params.yaml.
    """

    def __init__(self, chosen: Sequence[Chosen], part: Part, workspace: Workspace, params: Params) -> None:
        entries = [one.entry for one in chosen if one.part in asked_parts(part)]
        self.photos = {entry.product_id: photos_of(entry, workspace, params) for entry in entries}
        self._side = min(params.encode.width, params.encode.height)

    @cached_property
    def gallery(self) -> dict[str, Appearance]:
        looks = {product: embed_photos(photos, self._side) for product, photos in sorted(self.photos.items())}
        return {product: look for product, look in looks.items() if look is not None}


def champion_of(params: Params) -> str | None:
    """Folder of the model that training continued."""
    return params.model.champion if params.train.start == "champion" else None


def asked_parts(part: Part) -> tuple[Part, ...]:
    """The parts among whose products a sample's is sought: of a transfer also test's, since its template shows one."""
    return ("test", "transfer") if part == "transfer" else (part,)


@contextmanager
def _side_by_side(num_threads: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """`map` over so many threads; over one, in the caller's own."""
    if num_threads == 1:
        yield map
    else:
        with ThreadPoolExecutor(num_threads) as pool:
            yield pool.map
