"""The plan of a whole run: a profile of params on the machines of a Slurm profile."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

from pvtt.dispatch.profile import SlurmProfile
from pvtt.params.file import Params
from pvtt.plan.cluster import CORE_FLOPS, CORE_FLOPS_BF16, DISK_BYTES_S, FP32_SHARE, MFU, Place, place_of
from pvtt.plan.counts import count
from pvtt.plan.disk import disk_of, frozen_bytes
from pvtt.plan.fit import SHARDING_VARIABLE, faults_of, notes_of
from pvtt.plan.memory import Memory, checkpoint_bytes, generating_memory, host_bytes, training_memory
from pvtt.plan.result import RunPlan, StagePlan
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

CLIPS_A_PRODUCT = 5  # assumed where nothing is counted yet
TRAINED_SHARE = 0.8  # of the clips, as `validate.split_ratios`


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
    shape, sample, counts = architecture(config), sample_shape(params, config), count(params, config)
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
        held_out = looks * validation_flops(params, model, round(0.1 * num_clips), place.cluster.num_gpus) / rate
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
    batch = params.evaluate.batch_size
    num_batches = math.ceil(evaluated_videos(params, num_clips) / batch)
    shards = min(place.evaluate.parallel, num_batches)
    for name, videos, at_once in (("evaluate", num_batches * batch, shards), ("generate", film_windows(params), 1)):
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
    faults = tuple(faults_of(plan, params, config, place, whole_fits, forced))
    notes = tuple(notes_of(plan, place, forced))
    return replace(plan, faults=faults, notes=notes)


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
