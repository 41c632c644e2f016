"""The plan of a whole run: a profile of params on the machines of a Slurm profile."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pvtt.dispatch.profile import SlurmProfile
from pvtt.params.file import Params
from pvtt.plan.cluster import CORE_FLOPS, CORE_FLOPS_BF16, DISK_BYTES_S, FP32_SHARE, GPUS, MFU, Place, place_of
from pvtt.plan.counts import count
from pvtt.plan.disk import Disk, disk_of, frozen_bytes
from pvtt.plan.memory import Memory, checkpoint_bytes, generating_memory, host_bytes, training_memory
from pvtt.plan.shape import GIB, architecture, base_config, sample_shape
from pvtt.plan.work import (
    CLIP_BYTES,
    HASHED_BYTES_S,
    TRANSFERS_NEED,
    Model,
    encode_flops,
    evaluated_videos,
    film_windows,
    step_flops,
    validation_flops,
    video_flops,
)

SHARDING = "infra/accelerate/fsdp2.yaml"
SHARDING_VARIABLE = "PVTT_ACCELERATE_CONFIG"
CLIPS_A_PRODUCT = 5  # assumed where nothing is counted yet
TRAINED_SHARE = 0.8  # of the clips, as `validate.split_ratios`


@dataclass(frozen=True)
class Fault:
    """Why a run does not fit, and what to change."""

    what: str
    change: str


@dataclass(frozen=True)
class StagePlan:
    """One stage.

    Args:
        name: As in `dvc.yaml`; `generate` is one film of ten seconds.
        where: What it runs on, in words.
        hours: From its start to its end.
        gpu_hours: On all GPUs together; 0 where it uses none.
        memory: Of one GPU; None where it uses none.
        step_seconds: Of an optimizer step; None for other stages.
        without_checkpointing_gib: What a GPU would need without gradient checkpointing; None for other stages.
        trainable: Parameters that it trains.
        checkpoint_gib: One checkpoint.
        checkpoint_seconds: To write it.
    """

    name: str
    where: str
    hours: float
    gpu_hours: float = 0.0
    memory: Memory | None = None
    step_seconds: float | None = None
    without_checkpointing_gib: float | None = None
    trainable: int | None = None
    checkpoint_gib: float | None = None
    checkpoint_seconds: float | None = None


@dataclass(frozen=True)
class RunPlan:
    """The whole plan. Memory in GiB, times in hours."""

    profile: str
    slurm: str
    base: str
    parameters: int
    product_parameters: int
    patches: int
    clips: int
    clips_from: str
    gpu: str | None
    num_gpus: int
    available_gib: float
    utilisation: float
    sharded: bool
    host_gib: float
    host_available_gib: float | None
    max_hours: float
    stages: tuple[StagePlan, ...]
    disk: Disk
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def gpu_hours(self) -> float:
        """Of all stages, but for the film."""
        return sum(stage.gpu_hours for stage in self.stages if stage.name != "generate")


def count_clips(params: Params, root: Path, asked: int | None) -> tuple[int, str]:
    """How many clips a plan is for, and where that number comes from."""
    from pvtt.errors import PvttError
    from pvtt.records.dataset import read_entries

    if asked is not None:
        return asked, "--clips"
    try:
        entries = len(read_entries(root / "outs" / "validate"))
    except (PvttError, OSError):
        entries = 0
    if entries and params.profile == "tiny":
        return entries, "outs/validate"
    least = CLIPS_A_PRODUCT * params.validate_.min_products
    if entries > least:
        return entries, "outs/validate"
    return least, f"assumed: {CLIPS_A_PRODUCT} of each of validate.min_products; --clips says otherwise"


def plan_run(
    params: Params,
    profile: SlurmProfile,
    slurm: str,
    root: Path,
    *,
    clips: int | None = None,
    mfu: float = MFU,
) -> RunPlan:
    """Plan a run.

    Args:
        params: What is to run.
        profile: Where.
        slurm: The Slurm profile's name, for the text.
        root: The project's folder; the base is read there if it is there.
        clips: Of the dataset; None counts `outs/validate`, or assumes.
        mfu: Share of the GPUs' peak that is reached.

    Raises:
        MissingInputError: There is no base, and none is published for the profile.
        ParamsError: A pattern of trainable parameters matches nothing.
    """
    config, base = base_config(params, root)
    shape, sample, counts = architecture(config), sample_shape(params), count(params, config)
    model = Model(shape, counts.total, sample.patches)
    place = place_of(profile, mfu)
    num_clips, clips_from = count_clips(params, root, clips)

    def memory_of(stage: int, sharded: bool, checkpointing: bool | None = None) -> Memory:
        return training_memory(params, shape, sample, counts, stage, place.cluster, sharded, checkpointing)

    forced = place.exports_fsdp or bool(os.environ.get(SHARDING_VARIABLE))
    several = place.cluster.num_gpus > 1
    whole_fits = max(memory_of(stage, False).total for stage in (1, 2)) <= place.cluster.memory_gib
    sharded = several and (forced or (not whole_fits and params.train.optimizer == "adamw"))

    rate = _rate(params, place)
    stages = [_encode(params, place, num_clips), _validate(params, num_clips)]
    for number, settings in ((1, params.train.stage1), (2, params.train.stage2)):
        trained = counts.trainable[number - 1]
        a_gpu = math.ceil(settings.batch_size / place.cluster.num_gpus) * settings.gradient_accumulation
        seconds = a_gpu * step_flops(params, model, trained, params.train.gradient_checkpointing) / rate
        looks = 1 + math.ceil(settings.steps / settings.validate_every)
        size = checkpoint_bytes(params, trained)
        writes = math.ceil(settings.steps / settings.checkpoint_every) * size / DISK_BYTES_S
        held_out = looks * validation_flops(params, model, round(0.1 * num_clips)) / rate
        hours = (settings.steps * seconds + held_out + writes) / 3600
        stages.append(
            StagePlan(
                name=f"train_stage{number}",
                where=_gpus(place),
                hours=hours,
                gpu_hours=0.0 if place.gpu is None else hours * place.cluster.num_gpus,
                memory=memory_of(number, sharded),
                step_seconds=seconds,
                without_checkpointing_gib=memory_of(number, sharded, checkpointing=False).total,
                trainable=trained,
                checkpoint_gib=size / GIB,
                checkpoint_seconds=size / DISK_BYTES_S,
            )
        )
    video = video_flops(params, model, sample) / rate / 3600
    memory = generating_memory(params, shape, sample, counts, place.cluster)
    evaluated = math.ceil(evaluated_videos(params, num_clips) / params.evaluate.batch_size) * params.evaluate.batch_size
    shards = min(place.evaluate.parallel, math.ceil(evaluated / params.evaluate.batch_size))
    for name, videos, at_once in (("evaluate", evaluated, shards), ("generate", film_windows(params), 1)):
        hours = videos * video
        where = f"{at_once} x 1 {place.gpu.upper() if place.gpu else 'process'}"
        stages.append(StagePlan(name, where, hours / at_once, 0.0 if place.gpu is None else hours, memory))

    frozen, text_encoder = frozen_bytes(params, root)
    host = host_bytes(
        params, counts, max(counts.trainable), place.processes_per_node, place.cluster.num_gpus, text_encoder
    )
    plan = RunPlan(
        profile=params.profile,
        slurm=slurm,
        base=base,
        parameters=counts.total,
        product_parameters=counts.product,
        patches=sample.patches,
        clips=num_clips,
        clips_from=clips_from,
        gpu=place.gpu,
        num_gpus=place.cluster.num_gpus,
        available_gib=place.cluster.memory_gib,
        utilisation=place.cluster.utilisation,
        sharded=sharded,
        host_gib=host / GIB,
        host_available_gib=place.host_gib,
        max_hours=place.max_hours,
        stages=tuple(stages),
        disk=disk_of(params, shape, sample, counts, num_clips, frozen),
        faults=(),
        notes=(),
    )
    faults = tuple(_faults(plan, params, place, whole_fits, forced))
    notes = tuple(_notes(plan, place, forced))
    return RunPlan(**{**vars(plan), "faults": faults, "notes": notes})


def _rate(params: Params, place: Place) -> float:
    """FLOP/s of one GPU, or of one process where there is none."""
    cluster = place.cluster
    share = 1.0
    if place.gpu is not None and params.train.precision == "fp32":
        share = FP32_SHARE
    return cluster.peak_flops * cluster.utilisation * share


def _gpus(place: Place) -> str:
    number = place.cluster.num_gpus
    if place.gpu is None:
        return f"{number} process{'es' if number > 1 else ''}"
    return f"{number} {place.gpu.upper()}"


def _encode(params: Params, place: Place, clips: int) -> StagePlan:
    """One item after another in each shard, on its GPU, or on its cores."""
    sample = sample_shape(params)
    of_one = params.model_copy(update={"encode": params.encode.model_copy(update={"variants": 1})})
    trained = TRAINED_SHARE * clips * encode_flops(params, sample)
    held_out = ((1 - TRAINED_SHARE) * clips + TRANSFERS_NEED * params.evaluate.max_transfers) * encode_flops(
        of_one, sample
    )
    shards = place.encode
    core = CORE_FLOPS_BF16 if params.encode.dtype == "bfloat16" else CORE_FLOPS
    if place.gpu is not None and shards.gpus:  # a shard uses one, whatever it asks for
        rate = place.cluster.peak_flops * place.cluster.utilisation
        rate *= 1 if params.encode.dtype == "bfloat16" else FP32_SHARE
        where = f"{shards.parallel} x 1 {place.gpu.upper()}"
    else:
        rate = shards.cpus * core
        where = f"{shards.parallel} x {shards.cpus} cores"
    hours = (trained + held_out) / (shards.parallel * rate) / 3600
    return StagePlan("encode", where, hours, shards.parallel * shards.gpus * hours)


def _validate(params: Params, clips: int) -> StagePlan:
    hashed = min(3 * clips, params.validate_.max_hashed_files) * CLIP_BYTES / HASHED_BYTES_S
    return StagePlan("validate", "this machine", (30 + hashed) / 3600)


def _faults(plan: RunPlan, params: Params, place: Place, whole_fits: bool, forced: bool) -> Iterator[Fault]:
    cluster = place.cluster
    for name, settings in (("stage1", params.train.stage1), ("stage2", params.train.stage2)):
        if settings.batch_size % cluster.num_gpus:
            near = math.ceil(settings.batch_size / cluster.num_gpus) * cluster.num_gpus
            yield Fault(
                f"train.{name}.batch_size {settings.batch_size} cannot be spread over {cluster.num_gpus} processes",
                f"train.{name}.batch_size: {near}",
            )
        if params.train.loss.contrastive > 0 and settings.batch_size // cluster.num_gpus < 2:
            yield Fault(
                f"train.loss.contrastive compares products of a batch, and each process gets one of train.{name}'s",
                f"train.{name}.batch_size: {2 * cluster.num_gpus}",
            )
    if forced and cluster.num_gpus > 1 and params.train.optimizer == "muon":
        yield Fault("train.optimizer muon needs whole matrices, and FSDP2 shards them", "train.optimizer: adamw")
    for stage in plan.stages:
        if stage.memory is not None and stage.memory.total > plan.available_gib:
            yield Fault(
                f"{stage.name} needs {stage.memory.total:.0f} GiB a {place.gpu.upper() if place.gpu else 'process'}, "
                f"{plan.available_gib:.0f} GiB are there",
                _smaller(plan, params, stage, whole_fits),
            )
        if stage.name.startswith("train") and stage.hours > place.max_hours:
            yield Fault(
                f"{stage.name} takes {stage.hours:,.0f} hours, a job may take {place.max_hours:,.0f}",
                "run.minutes or requeue.max_timeouts of the Slurm profile, more GPUs, or fewer steps",
            )
    of_items = {
        "encode": (place.encode, "more shards.parallel, or fewer encode.variants"),
        "evaluate": (place.evaluate, "more shards.parallel, or fewer evaluate.seeds, num_steps or max_clips_per_split"),
    }
    for stage in (stage for stage in plan.stages if stage.name in of_items):
        shards, change = of_items[stage.name]
        limit = shards.minutes / 60
        if stage.hours > limit * 30:  # finished items are kept, so that the same command continues
            yield Fault(
                f"{stage.name} takes {stage.hours:,.0f} hours, {stage.hours / limit:,.0f} times what a shard may",
                change,
            )
    if plan.host_available_gib is not None and plan.host_gib > plan.host_available_gib:
        yield Fault(
            f"a node's {place.processes_per_node} processes need {plan.host_gib:,.0f} GiB of its own memory to load, "
            f"{plan.host_available_gib:,.0f} GiB are asked for",
            "run.memory_gb_per_node, or fewer processes a node",
        )


def _smaller(plan: RunPlan, params: Params, stage: StagePlan, whole_fits: bool) -> str:
    if stage.name in ("evaluate", "generate"):
        return "evaluate.batch_size: 1" if params.evaluate.batch_size > 1 else "a GPU with more memory"
    if not params.train.gradient_checkpointing:
        return "train.gradient_checkpointing: true"
    if not plan.sharded and not whole_fits and params.train.optimizer == "muon":
        return "train.optimizer: adamw, which FSDP2 can shard"
    if plan.num_gpus > 1:
        return "more GPUs (run.nodes), or fewer train.*.trainable"
    return "more GPUs, or a smaller base"


def _notes(plan: RunPlan, place: Place, forced: bool) -> Iterator[str]:
    if plan.sharded and not forced:
        yield f"weights are sharded: run with {SHARDING_VARIABLE}={SHARDING}"
    if place.gpu is not None and place.gpu not in GPUS:
        yield f"gpu_type {place.gpu} is not known here: planned as an H800; known are {', '.join(GPUS)}"
    for stage in plan.stages:
        seconds = stage.checkpoint_seconds
        if seconds is not None and seconds + (stage.step_seconds or 0) > place.signal_s:
            yield (
                f"{stage.name}: a checkpoint takes {seconds:.0f} s at {DISK_BYTES_S / 1e9:g} GB/s, a stopped job has "
                f"{place.signal_s} s: requeue.signal_s {math.ceil((seconds + 60) / 60) * 60}, or it continues from the "
                "one before"
            )
