"""Does the large run fit? Parameters, memory a GPU and hours, from a model's shape and a profile's params.

Pure arithmetic; nothing is loaded. A test counts the real class's parameters on the meta device against it.

Memory under FSDP2 with bf16 computation, per GPU of N:

    states       20 bytes a trained parameter / N: weight 4, gradient 4, Adam's two moments 8, EMA 4 (all float32)
    activations  gradient checkpointing: every block's input, 2·S·D bytes each, and one block's intermediates,
                 about 2·S·(32·D + 2·F) bytes: attention's scores are never stored (SDPA), and the elementwise
                 float32 steps of Wan's block count twice (compare Korthikanti et al. 2022, eq. 2, without 5·a·s/h)
    gathered     two blocks at once (one computed, one fetched ahead), weights and gradients whole in bf16: 4 bytes each

Time: a forward pass takes 2·P·S + 4·S²·D·blocks operations a sample; backward twice that, recomputing once more.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from pvtt.dispatch.profile import SlurmProfile
from pvtt.errors import GateShutError
from pvtt.models.published import CLIP_TOKENS, DINO_TOKENS, HEAD_DIM, WAN_T2V
from pvtt.params.file import Params
from pvtt.records.promotion import TrainingPlan

GIB = 2**30
STATE_BYTES = 20  # a trained parameter
FORWARDS_A_STEP = 4  # forward, recomputation, and a backward worth two
TEMPORAL_STRIDE = 4  # of Wan's VAE: 4n+1 frames → n+1 latent frames
PATCHED_STRIDE = 16  # pixels a patch: 8 of the VAE, 2 of the patch embedding

# Mean score of one method's 1.3B and 14B models on one public benchmark. It is no forecast of this model: a step that
# was worth a thirtieth of the scale elsewhere must not be taken for granted here.
PUBLISHED_STEP = (3.21, 3.34)
PUBLISHED_ON = "a public benchmark of editing by reference"


@dataclass(frozen=True)
class Architecture:
    """A Wan text-to-video transformer's shape, as in its `config.json`."""

    dim: int
    ffn_dim: int
    num_layers: int
    text_dim: int = 4096
    freq_dim: int = 256
    latent_channels: int = 16
    condition_channels: int = 20
    patch_volume: int = 4  # of (1, 2, 2)


def _published(profile: str) -> Architecture:
    shape = WAN_T2V[profile]
    return Architecture(HEAD_DIM * shape["num_attention_heads"], shape["ffn_dim"], shape["num_layers"])


WAN_1_3B, WAN_14B = _published("poc"), _published("prod")


@dataclass(frozen=True)
class Cluster:
    """The GPUs of one run. The defaults are one node of H800: 80 GB, 989 dense bf16 TFLOP/s each (NVIDIA's sheet)."""

    num_gpus: int = 8
    memory_gib: float = 79.0  # what CUDA reports of 80 GB
    peak_flops: float = 989e12
    utilisation: float = 0.35  # of the peak; large video transformers reach 0.3–0.45
    reserve_gib: float = 4.0


def _attention(dim: int) -> int:
    return 4 * (dim * dim + dim) + 2 * dim  # q, k, v and output with biases; RMS norms of q and k


def count_block(shape: Architecture, conditioning: Collection[str]) -> tuple[int, int]:
    """Parameters of one block: Wan's own, and its parts'."""
    dim = shape.dim
    ffn = dim * shape.ffn_dim + shape.ffn_dim + shape.ffn_dim * dim + dim
    own = 2 * _attention(dim) + 2 * dim + ffn + 6 * dim  # self, text; the text's norm; modulation
    cross = 2 * dim + _attention(dim) + dim + dim  # norm, attention, its sink, gate
    parts = {
        "reference_frames": dim + dim,  # sink, gate
        "product_tokens": cross,
        "dual_encoder": cross,
    }
    return own, sum(parts.get(name, 0) for name in conditioning)


def count_parameters(shape: Architecture, params: Params) -> tuple[int, int]:
    """Parameters of `ProductVideoTransformer`: of the base, and of what is added for the product."""
    dim, model, encode = shape.dim, params.model, params.encode
    if encode.image_features != "vae":
        tokens_per_view, product_dim = CLIP_TOKENS
    else:
        tokens_per_view = (encode.photo_size // PATCHED_STRIDE) ** 2
        product_dim = shape.latent_channels * shape.patch_volume
    own, product = count_block(shape, model.conditioning)
    patch = shape.latent_channels * shape.patch_volume
    embedders = (
        (patch * dim + dim)  # patches
        + (shape.freq_dim * dim + dim + dim * dim + dim)  # time
        + (dim * 6 * dim + 6 * dim)  # its projection
        + (shape.text_dim * dim + dim + dim * dim + dim)  # text
    )
    head = dim * patch + patch + 2 * dim
    layer = _attention(dim) + 2 * 2 * dim + (dim * 2 * dim + 2 * dim + 2 * dim * dim + dim)

    def encoder(tokens_per_view: int, product_dim: int) -> int:
        places = tokens_per_view + encode.max_photos + 1 + model.num_product_tokens
        return (product_dim * dim + dim) + places * dim + model.encoder_layers * layer + 2 * dim

    parts = {
        "mask_channels": shape.condition_channels * shape.patch_volume * dim,
        "collage": shape.condition_channels * shape.patch_volume * dim,
        "template_frames": patch * dim,
        "context_blocks": (2 * patch + 64 * shape.patch_volume) * dim
        + dim  # a patch
        + (dim * dim + dim)  # the first block's projection
        + math.ceil(shape.num_layers / 2) * (own + dim * dim + dim),  # a copy of every second block, and its projection
        "reference_frames": encode.max_photos * dim,
        "product_tokens": encoder(tokens_per_view, product_dim),
        "dual_encoder": encoder(tokens_per_view, product_dim) + encoder(*DINO_TOKENS),
    }
    added = sum(parts[name] for name in model.conditioning)
    return embedders + head + shape.num_layers * own, added + shape.num_layers * product


def plan_training(
    params: Params, shape: Architecture = WAN_14B, cluster: Cluster = Cluster(), max_stage_hours: float = 528.0
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
    encode = params.encode
    frames = (encode.num_frames - 1) // TEMPORAL_STRIDE + 1
    patches = frames * (encode.height // PATCHED_STRIDE) * (encode.width // PATCHED_STRIDE)
    if "reference_frames" in params.model.conditioning:
        patches += encode.max_photos * (encode.photo_size // PATCHED_STRIDE) ** 2
    if "context_blocks" in params.model.conditioning:  # a photo is a frame
        patches += encode.max_photos * (patches // frames)
    stages = {"stage1": params.train.stage1, "stage2": params.train.stage2}
    a_gpu = {name: math.ceil(stage.batch_size / cluster.num_gpus) for name, stage in stages.items()}  # samples at once

    block_input = 2 * patches * shape.dim
    block = 2 * patches * (32 * shape.dim + 2 * shape.ffn_dim)
    forward = 2 * (base + added) * patches + 4 * patches**2 * shape.dim * shape.num_layers
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
        activations_gib=max(a_gpu.values()) * (shape.num_layers * block_input + block) / GIB,
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


def _in_words(count: int) -> str:
    return f"{count / 1e9:.1f} B" if count >= 1e9 else f"{count / 1e6:.1f} M"


def describe_plan(plan: TrainingPlan) -> str:
    """The plan as lines for a person."""
    fits = "; ".join(plan.faults) if plan.faults else "it fits"
    return (
        f"profile {plan.profile}: {_in_words(plan.num_parameters)} parameters, "
        f"{_in_words(plan.num_product_parameters)} of them for the product\n"
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
