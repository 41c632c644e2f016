"""Samples batches from the networks: the trained one, the champion that training continued, and their base with new
parts, which have no effect.

A sample's noise depends on the seed and its name alone, so that contenders start alike, and a resumed run continues
with what an uninterrupted one would have made. Latents of finished batches are kept in the item cache.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from pvtt.encoding.collage import Collage, HoleShape, collage
from pvtt.encoding.collage_tensors import collage_fields, collage_video, draft_video
from pvtt.encoding.store import read_variant
from pvtt.errors import PvttError
from pvtt.evaluation.contenders.contender import DEFAULT_START, Network, Start
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_bytes, sha256_file, sha256_json
from pvtt.generation.conditioned import ConditionedPipeline
from pvtt.items.cache import ItemCache
from pvtt.media.arrays import Region, Rgba, Video
from pvtt.models import origin
from pvtt.models.bases import load_trained, new_around_base
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.loading import is_vace
from pvtt.models.moved_noise import moved_noise
from pvtt.models.place import PlaceEdit
from pvtt.models.sampling import SamplingSettings, generation_seed, initial_noise, sample_seed
from pvtt.models.vae import encode_video
from pvtt.params.file import Params
from pvtt.records.dataset import EncodedSample

LATENTS_FILE = "latents.safetensors"  # of a finished batch
LATENTS = "latents"  # the tensor in it


Drawn: TypeAlias = Literal["collage", "draft"]  # the photo in the masked template, or in the inpainted one


@dataclass(frozen=True, eq=False)
class Pasting:
    """What a photo is pasted into, and the photos to choose from. What is made of it is made once and kept.

    Args:
        template: (F, H, W, 3); what is in the hole is not looked at.
        inpainted: The template, its hole filled from around it, (F, H, W, 3).
        hole: (F, H, W).
        photos: (S, S, 4) RGBA each.
        shape: How the hole was made.
        fill: Value of the hole, in [-1, 1].
        latents: Of what has been encoded, (C, F', h, w) each.
    """

    template: Video
    inpainted: Video
    hole: Region
    photos: Sequence[Rgba]
    shape: HoleShape
    fill: float
    latents: dict[Drawn, Tensor] = field(default_factory=dict, repr=False)

    @cached_property
    def collage(self) -> Collage:
        """The photo that fits best, in its place."""
        return collage(self.template, self.hole, self.photos, self.shape)

    def video(self, drawn: Drawn) -> Tensor:
        """(1, 3, F, H, W) in [-1, 1]."""
        if drawn == "draft":
            return draft_video(self.collage, self.inpainted, self.hole)
        return collage_video(self.collage, self.template, self.hole, self.fill)


@dataclass(frozen=True)
class ConditionedSample:
    """One sample's conditions and true latents, variant 0, float32 on the CPU, and the file that they come from.

    Args:
        key: The sample's key.
        path: Its file.
        conditions: B = 1.
        latents: Of the ground truth, (1, C, F', h, w).
        pasting: How its photos are pasted into the template that they are asked for in: its own, or another's.
    """

    key: str
    path: Path
    conditions: Conditions
    latents: Tensor
    pasting: Pasting | None = None


def read_conditions(folder: Path, encoded: EncodedSample) -> ConditionedSample:
    """Read what a sample is generated from. Raises as `pvtt.encoding.store.read_variant`."""
    variant = read_variant(folder, encoded)
    conditions = variant.conditions.to(dtype=torch.float32)
    return ConditionedSample(encoded.key, folder / encoded.path, conditions, variant.latents.float())


@torch.inference_mode()
def given_photos(
    samples: Sequence[ConditionedSample], products: Sequence[ConditionedSample], vae: Any, drafted: bool = False
) -> list[Conditions]:
    """Samples' conditions with products' photos, their own or another's.

    Args:
        samples: The samples.
        products: Whose photos each gets.
        vae: The base's VAE, for the collage of another's photo in the sample's template, and for drafts. It
            encodes all that no earlier call encoded at once.
        drafted: With a draft to start from, where the product's `pasting` says how to make one.
    """
    pairs = list(zip(samples, products, strict=True))
    wanted = [_drawn(sample, product, drafted) for sample, product in pairs]
    _encode([(product.pasting, drawn) for product, names in zip(products, wanted, strict=True) for drawn in names], vae)
    return [_given(*pair, names) for pair, names in zip(pairs, wanted, strict=True)]


def _drawn(sample: ConditionedSample, product: ConditionedSample, drafted: bool) -> list[Drawn]:
    """What has to be drawn and encoded of a product's photos in a sample's template."""
    if product.pasting is None:
        return []
    drawn: list[Drawn] = ["draft"] if drafted else []
    if sample.conditions.collage_latents is not None and product.path != sample.path:
        drawn.append("collage")
    return drawn


def _encode(wanted: Sequence[tuple[Pasting | None, Drawn]], vae: Any) -> None:
    """Encode at once what is not known yet."""
    new = [(pasting, drawn) for pasting, drawn in wanted if pasting is not None and drawn not in pasting.latents]
    if new:
        latents = encode_video(vae, torch.cat([pasting.video(drawn) for pasting, drawn in new]).to(vae.device))
        for (pasting, drawn), own in zip(new, latents, strict=True):
            pasting.latents[drawn] = own


def _given(sample: ConditionedSample, product: ConditionedSample, drawn: Sequence[Drawn]) -> Conditions:
    is_own, pasting = product.path == sample.path, product.pasting
    conditions = sample.conditions if is_own else sample.conditions.with_photos_of(product.conditions)
    if pasting is not None and "collage" in drawn:
        masked = conditions.masked_latents[0].to(pasting.latents["collage"])
        fields = collage_fields(pasting.collage, pasting.hole, pasting.latents["collage"], masked)
        conditions = conditions.with_collage(fields["collage_latents"][None], fields["collage_mask"][None])
    if pasting is not None and "draft" in drawn:
        conditions = conditions.with_draft(pasting.latents["draft"][None])
    return conditions


def sampling(params: Params) -> dict[str, str | int | float | None]:
    """What of the params latents depend on, given a sample."""
    evaluate = params.evaluate
    return {
        "num_steps": evaluate.num_steps,
        "product_guidance": evaluate.product_guidance,
        "text_guidance": evaluate.text_guidance,
        "strength": evaluate.strength,
        "place_strength": evaluate.place_strength,
        "seed": params.seed,
        "precision": params.train.precision,
    }


class Generator:
    """Generates batches of samples: the `Sampler` that contenders share.

    Args:
        model: Folder of the trained pipeline.
        champion: Folder of the pipeline that training continued; None where it started from the base.
        base: Folder of the base model.
        hashes: Of each network, for the cache.
        params: All of params.yaml.
        device: The device that it runs on.
        cache: Where finished batches are kept.
        routes: Folders of further pipelines of the same base, by the network's name.

    Raises:
        MissingInputError, PvttError: A model cannot be loaded.
    """

    def __init__(
        self,
        model: Path,
        champion: Path | None,
        base: Path,
        hashes: Mapping[Network, str],
        params: Params,
        device: str,
        cache: ItemCache,
        routes: Mapping[Network, Path] | None = None,
    ) -> None:
        # The networks' own loaders keep some parts in float32, which `to(dtype)` would not.
        half = device != "cpu" and params.train.precision == "bf16"
        options: dict[str, Any] = {"torch_dtype": {"transformer": torch.bfloat16}} if half else {}
        self.pipeline = ConditionedPipeline.from_pretrained(model, **options).to(device)
        self.base_swaps = is_vace(base / "transformer")
        self.drafts = params.evaluate.strength < 1
        dtype = torch.bfloat16 if half else torch.float32
        untrained = new_around_base(base, options={"torch_dtype": dtype}, **self.pipeline.transformer.product_config)
        self._pipelines: dict[Network, ConditionedPipeline] = {
            "model": self.pipeline,
            "base": self.pipeline.with_transformer(untrained.to(device).eval()),
        }
        others: dict[Network, Path] = {} if champion is None else {"champion": champion}
        for name, folder in (others | dict(routes or {})).items():
            other = load_trained(folder, torch_dtype=dtype)
            self._pipelines[name] = self.pipeline.with_transformer(other.to(device).eval())
        self._code = code_of(Generator)
        self._scheduler_sha256 = origin.model_sha256(model / "scheduler")
        self._hashes = dict(hashes)
        self._params = params
        self._seed = params.seed
        self._device = device
        self._cache = cache

    def of_generation(self, number: int) -> Generator:
        """The same networks, starting from other noise; generation 0 is this one's own."""
        other = copy.copy(self)
        other._seed = generation_seed(self._params.seed, number)
        return other

    @property
    def networks(self) -> frozenset[Network]:
        """Those that it can generate with."""
        return frozenset(self._pipelines)

    def videos(
        self,
        samples: Sequence[ConditionedSample],
        products: Sequence[ConditionedSample] | None,
        *,
        network: Network,
        start: Start = DEFAULT_START,
    ) -> list[Video]:
        """One video, (F, H, W, 3), before compositing, for each sample.

        Args:
            samples: The samples to generate videos for.
            products: Whose photos each gets; None: no photos.
            network: One of `networks`.
            start: What sampling starts from.
        """
        return self.pipeline.decode(self.latents(samples, products, network, start))

    def reconstructions(self, samples: Sequence[ConditionedSample]) -> list[Video]:
        """The true videos through the VAE, (F, H, W, 3) each, before compositing."""
        return self.pipeline.decode(torch.cat([one.latents for one in samples]))

    def latents(
        self,
        samples: Sequence[ConditionedSample],
        products: Sequence[ConditionedSample] | None,
        network: Network,
        start: Start = DEFAULT_START,
    ) -> Tensor:
        """Normalised latents of a batch, (B, C, F', h, w), from the cache or new. Arguments as for `videos`."""
        from safetensors.torch import load_file, save_file

        key = self.key(samples, products, network, start)
        entry = self._cache.read(key)
        if entry is not None:
            return load_file(entry.directory / LATENTS_FILE)[LATENTS]
        latents = self._sample(samples, products, network, start)
        if not latents.isfinite().all():
            names = ", ".join(one.key for one in samples)
            raise PvttError(f"the model's output for {names} is not finite", "train again at a lower learning rate")
        with self._cache.write(key) as made:
            save_file({LATENTS: latents.contiguous()}, made.directory / LATENTS_FILE)
        return latents

    def key(
        self,
        samples: Sequence[ConditionedSample],
        products: Sequence[ConditionedSample] | None,
        network: Network,
        start: Start = DEFAULT_START,
    ) -> str:
        """The hash of everything that a batch's latents depend on. Arguments as for `videos`."""
        return sha256_json(
            {
                "weights": self._hashes[network],
                "network": network,
                "scheduler": self._scheduler_sha256,
                "empty_text": sha256_bytes(self.pipeline.empty_text().cpu().numpy().tobytes()),
                "code": self._code,
                "libraries": {name: version(name) for name in ("diffusers", "torch")},
                "sampling": sampling(self._params) | {"seed": self._seed},
                "device": torch.cuda.get_device_name() if self._device == "cuda" else self._device,
                # The order of a sum, and so its last bit, depends on how many threads share it.
                "num_threads": torch.get_num_threads() if self._device == "cpu" else None,
                "samples": [[one.key, sha256_file(one.path)] for one in samples],
                "products": None if products is None else [sha256_file(one.path) for one in products],
                "drafted": start.drafted,
                "flows": None if start.flows is None else [sha256_bytes(flow.tobytes()) for flow in start.flows],
            }
        )

    def _sample(
        self,
        samples: Sequence[ConditionedSample],
        products: Sequence[ConditionedSample] | None,
        network: Network,
        start: Start,
    ) -> Tensor:
        given, vae = samples if products is None else products, self.pipeline.vae
        drafted = start.drafted and products is not None and self._params.evaluate.strength < 1
        conditions = Conditions.concatenate(given_photos(samples, given, vae, drafted))
        settings = SamplingSettings(
            self._params.evaluate.num_steps,
            self._params.evaluate.product_guidance,
            self._params.evaluate.text_guidance,
            strength=self._params.evaluate.strength,
            place=PlaceEdit(self._params.evaluate.place_strength),
        )
        if products is None:
            conditions = conditions.without_product()
        noise = self._noise(samples)
        if start.flows is not None:
            noise = torch.stack([moved_noise(one, flow) for one, flow in zip(noise, start.flows, strict=True)])
        return self._pipelines[network].generate(conditions, noise, settings).cpu()

    def _noise(self, batch: Sequence[ConditionedSample]) -> Tensor:
        seeds = [sample_seed(self._seed, one.key) for one in batch]
        return initial_noise(batch[0].conditions.masked_latents.shape[1:], seeds)
