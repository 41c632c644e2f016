"""Does the large run fit? Parameters, memory a GPU and hours, from a model's shape and a profile's params.

Pure arithmetic; nothing is loaded. A test counts the real class's parameters on the meta device against it. What a run
takes beside these, and on other machines, is in `pvtt.plan`.

Memory under FSDP2 with bf16 computation, per GPU of N:

    states       20 bytes a trained parameter / N: weight 4, gradient 4, Adam's two moments 8, EMA 4 (all float32)
    activations  gradient checkpointing: every block's input, and one block's intermediates (`pvtt.plan.memory`)
    gathered     two blocks at once (one computed, one fetched ahead), weights and gradients whole in bf16: 4 bytes each

Time: a forward pass takes 2·P·S + 4·S²·D·blocks operations a sample; backward twice that, recomputing once more.
"""

from __future__ import annotations

import math

from pvtt.dispatch.profile import SlurmProfile
from pvtt.errors import GateShutError
from pvtt.params.file import Params
from pvtt.plan.cluster import Cluster
from pvtt.plan.memory import activation_bytes
from pvtt.plan.shape import GIB, WAN_1_3B, WAN_14B, Architecture, count_block, count_parameters, sample_shape
from pvtt.plan.text import in_words
from pvtt.plan.work import Model
from pvtt.records.promotion import TrainingPlan

__all__ = [
    "WAN_1_3B",
    "WAN_14B",
    "Architecture",
    "Cluster",
    "count_parameters",
    "describe_plan",
    "plan_on",
    "plan_training",
    "require_fit",
]

ONE_NODE = Cluster()  # of H800
STATE_BYTES = 20  # a trained parameter
FORWARDS_A_STEP = 4  # forward, recomputation, and a backward worth two

# Mean score of one method's 1.3B and 14B models on one public benchmark. It is no forecast of this model: a step that
# was worth a thirtieth of the scale elsewhere must not be taken for granted here.
PUBLISHED_STEP = (3.21, 3.34)
PUBLISHED_ON = "a public benchmark of editing by reference"


def plan_training(
    params: Params, shape: Architecture = WAN_14B, cluster: Cluster = ONE_NODE, max_stage_hours: float = 528.0
) -> TrainingPlan:
    """What both training stages of a profile take on a cluster.

    Args:
        params: The profile's. Its frames, sizes, steps and batches count; its base's shape is `shape`.
        shape: Sizes of the base model's transformer.
        cluster: The GPUs that it is to run on.
        max_stage_hours: A stage that takes longer doesn't fit; a Slurm profile's minutes, requeues included.

    Returns:
        The plan, with every reason why it doesn't fit in `faults`.
    """
    base, added = count_parameters(shape, params)
    patches = sample_shape(params).patches
    stages = {"stage1": params.train.stage1, "stage2": params.train.stage2}
    a_gpu = {name: math.ceil(stage.batch_size / cluster.num_gpus) for name, stage in stages.items()}  # samples at once

    activations = activation_bytes(shape, patches, bf16=True, checkpointing=True)
    forward = Model(shape, base + added, patches).forward
    hours_a_sample = FORWARDS_A_STEP * forward / (cluster.peak_flops * cluster.utilisation) / 3600
    hours = {
        name: stage.steps * stage.gradient_accumulation * a_gpu[name] * hours_a_sample for name, stage in stages.items()
    }
    plan = TrainingPlan(
        profile=params.profile,
        num_gpus=cluster.num_gpus,
        num_parameters=base + added,
        num_product_parameters=added,
        states_gib=STATE_BYTES * (base + added) / cluster.num_gpus / GIB,
        activations_gib=max(a_gpu.values()) * activations / GIB,
        gathered_gib=2 * 4 * sum(count_block(shape, params.model.conditioning)) / GIB,
        reserve_gib=cluster.reserve_gib,
        available_gib=cluster.memory_gib,
        stage1_hours=hours["stage1"],
        stage2_hours=hours["stage2"],
        max_stage_hours=max_stage_hours,
        faults=(),
    )
    faults = [
        f"train.{name}.batch_size {stage.batch_size} cannot be spread over {cluster.num_gpus} GPUs"
        for name, stage in stages.items()
        if stage.batch_size % cluster.num_gpus
    ]
    if not params.train.gradient_checkpointing:
        faults.append("train.gradient_checkpointing is off, and the plan counts on it")
    if plan.memory_gib > plan.available_gib:
        faults.append(f"{plan.memory_gib:.0f} GiB a GPU are needed, {plan.available_gib:.0f} GiB are there")
    faults += [
        f"{name} takes {taken:.0f} hours, a job may take {max_stage_hours:.0f}"
        for name, taken in hours.items()
        if taken > max_stage_hours
    ]
    return plan.model_copy(update={"faults": tuple(faults)})


def plan_on(profile: SlurmProfile, params: Params) -> TrainingPlan:
    """The plan of the 14B run on a Slurm profile's GPUs and time limits, its requeues included."""
    cluster = Cluster(num_gpus=max(1, profile.run.nodes * profile.run.gpus_per_node))
    hours = profile.run.minutes * (1 + profile.requeue.max_timeouts) / 60
    return plan_training(params, WAN_14B, cluster, max_stage_hours=hours)


def require_fit(plan: TrainingPlan, where: str) -> None:
    """Raise `GateShutError` with every reason why the plan doesn't fit the Slurm profile `where`."""
    if plan.faults:
        raise GateShutError(
            f"the {plan.profile} run doesn't fit {where}: {'; '.join(plan.faults)}", f"change params.yaml or {where}"
        )


def describe_plan(plan: TrainingPlan) -> str:
    """The plan as lines for a person."""
    fits = "; ".join(plan.faults) if plan.faults else "it fits"
    return (
        f"profile {plan.profile}: {in_words(plan.num_parameters)} parameters, "
        f"{in_words(plan.num_product_parameters)} of them for the product\n"
        f"memory on each of {plan.num_gpus} GPUs: {plan.memory_gib:.0f} of {plan.available_gib:.0f} GiB "
        f"(states {plan.states_gib:.0f}, activations {plan.activations_gib:.0f}, "
        f"gathered blocks {plan.gathered_gib:.0f}, reserve {plan.reserve_gib:.0f})\n"
        f"time: {plan.stage1_hours:.0f} + {plan.stage2_hours:.0f} hours, {plan.gpu_hours:,.0f} GPU hours\n"
        f"{describe_step(plan)}\n"
        f"{fits}"
    )


def describe_step(plan: TrainingPlan) -> str:
    """What a tenth of a point of quality costs, if the step is worth what others have published."""
    small, large = PUBLISHED_STEP
    tenth = plan.gpu_hours / (large - small) / 10
    return (
        f"what it may bring: published is {small:.2f} → {large:.2f} of 5 from 1.3B to 14B ({PUBLISHED_ON}); "
        f"at that, a tenth of a point costs {tenth:,.0f} GPU hours"
    )
