"""Does a plan fit its machines, and what has to change where it does not?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pvtt.models.demands import unmet_demands
from pvtt.models.published import is_cogvideox_config
from pvtt.params.file import Params
from pvtt.plan.cluster import DISK_BYTES_S, GPUS, Place
from pvtt.plan.result import Fault, RunPlan, StagePlan

SHARDING = "infra/accelerate/fsdp2.yaml"
SHARDING_VARIABLE = "PVTT_ACCELERATE_CONFIG"


def faults_of(
    plan: RunPlan, params: Params, config: Mapping[str, Any], place: Place, whole_fits: bool, forced: bool
) -> Iterator[Fault]:
    """Why a plan does not fit.

    Args:
        plan: The plan so far.
        params: What is to run.
        config: Of the base's transformer.
        place: Where.
        whole_fits: The state fits on each GPU without being sharded.
        forced: It is sharded whether it fits or not.
    """
    cluster = place.cluster
    yield from (Fault(*demand) for demand in unmet_demands(config, params.encode))
    if params.train.attention != "auto" and is_cogvideox_config(config):
        yield Fault(
            f"train.attention: {params.train.attention} is for Wan's blocks; a CogVideoX leaves it to torch",
            "train.attention: auto",
        )
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
                f"{stage.name} needs {stage.memory.total:.0f} GiB a {'GPU' if place.gpu else 'process'}, "
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


def notes_of(plan: RunPlan, place: Place, forced: bool) -> Iterator[str]:
    """What to know of a plan that fits. Arguments as of `faults_of`."""
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
