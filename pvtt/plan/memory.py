"""Memory of a training and of generating: a GPU's, and a node's own.

A GPU of N, P parameters of which T are trained, S patches, width D, feed-forward F, L blocks. All state is float32:

    weights       4·P
    gradients     4·T
    optimizer     8·T for AdamW's two moments, 4·T for Muon's one
    EMA           4·T
    copies        whole on each GPU: DDP's buckets, 4·T; autocast's bf16 weights, 2·T, while it keeps them; what a
                  validation puts aside, 4·T. Sharded: two whole blocks in bf16 with their gradients
    activations   with checkpointing every block's input, and one block's intermediates; without, all blocks'

Not all of it at once: gradients come as activations go. The peak is the largest of four moments: the forward pass ends
(bf16 weights, no gradients yet), the backward pass begins (all activations), it ends (all gradients, one block's
intermediates), a validation (weights put aside, no gradients). With accumulation the gradients are always there.

Sharded (FSDP2) the first four are divided by N. A block keeps for the backward pass, per patch, 94·D + 8·F bytes in
float32 and 71·D + 4·F in bf16, a CogVideoX's 69·D + 8·F and 35·D + 4·F: attention's scores are never stored, and Wan's
block does its elementwise steps in float32. `tests/plan/test_memory.py` holds that to what autograd saves,
`tests/benchmarks/test_plan.py` a whole training's peak to the sum, and `tests/benchmarks/test_true_scale.py` that of
Wan2.1-1.3B on a GPU: 12.9 and 29.2 GiB of an H200 in the two stages, batch 1, against 12.8 and 28.7.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pvtt.params.file import Params
from pvtt.plan.cluster import Cluster
from pvtt.plan.counts import Counts
from pvtt.plan.shape import GIB, Architecture, SampleShape

SAVED_FP32, SAVED_BF16 = (94, 8), (71, 4)  # bytes a patch: times D, times F
COGVIDEOX_FP32, COGVIDEOX_BF16 = (69, 8), (35, 4)  # the same of CogVideoX's
TEXT_ENCODER_BYTES = 4 * 5.68e9  # UMT5-XXL, float32: what every process encodes the empty text with
EVERY_RANK_GATHERS = False  # a checkpoint: each process writes its own share


@dataclass(frozen=True)
class Memory:
    """GiB of one GPU (of one process where there is none), at the moment that takes most."""

    weights: float
    gradients: float
    optimizer: float
    ema: float
    copies: float
    activations: float
    reserve: float

    @property
    def total(self) -> float:
        """The peak."""
        return float(sum(asdict(self).values()))


def block_bytes(shape: Architecture, patches: int, bf16: bool) -> float:
    """What one block keeps for the backward pass of one sample."""
    of_dim, of_ffn = SAVED_BF16 if bf16 else SAVED_FP32
    if shape.is_cogvideox:
        of_dim, of_ffn = COGVIDEOX_BF16 if bf16 else COGVIDEOX_FP32
    return float(patches * (of_dim * shape.dim + of_ffn * shape.ffn_dim))


def activation_bytes(shape: Architecture, patches: int, bf16: bool, checkpointing: bool) -> float:
    """What one sample's forward pass keeps at most."""
    block = block_bytes(shape, patches, bf16)
    if not checkpointing:
        return shape.num_layers * block
    return shape.num_layers * patches * shape.dim * (2 if bf16 else 4) + block


def training_memory(
    params: Params,
    shape: Architecture,
    sample: SampleShape,
    counts: Counts,
    stage: int,
    cluster: Cluster,
    sharded: bool,
    checkpointing: bool | None = None,
) -> Memory:
    """Of a training stage.

    Args:
        params: The profile's.
        shape: The base's.
        sample: `sample_shape(params)`.
        counts: Of the model.
        stage: 1 or 2.
        cluster: Its GPUs.
        sharded: FSDP2 divides the state over them.
        checkpointing: Instead of `train.gradient_checkpointing`.
    """
    train, trained = params.train, counts.trainable[stage - 1]
    settings = train.stage1 if stage == 1 else train.stage2
    bf16 = train.precision == "bf16"
    share = cluster.num_gpus if sharded else 1
    a_gpu = -(-settings.batch_size // cluster.num_gpus)
    if checkpointing is None:
        checkpointing = train.gradient_checkpointing
    gradients, aside = 4 * trained / share, 4 * trained / share
    before = gradients if settings.gradient_accumulation > 1 else 0.0
    if sharded:
        always = 2 * 4.0 * counts.block
        cast = 0.0
    else:
        always = 4.0 * trained if cluster.num_gpus > 1 else 0.0
        cast = 2.0 * trained if bf16 else 0.0
    kept = a_gpu * activation_bytes(shape, sample.patches, bf16, checkpointing)
    block = a_gpu * block_bytes(shape, sample.patches, bf16)
    passing = 2 * block / 3  # of a block whose intermediates are not kept, its largest
    moments = (  # gradients, copies, activations
        (before, always + cast, kept - block + passing if checkpointing else kept),
        (before, always + (0.0 if checkpointing else cast), kept),
        (gradients, always, block),
        (0.0, always + aside, passing),
    )
    present, copies, activations = max(moments, key=sum)
    return Memory(
        weights=4 * counts.total / share / GIB,
        gradients=present / GIB,
        optimizer=(8 if train.optimizer == "adamw" else 4) * trained / share / GIB,
        ema=4 * trained / share / GIB,
        copies=copies / GIB,
        activations=activations / GIB,
        reserve=cluster.reserve_gib,
    )


def generating_memory(
    params: Params, shape: Architecture, sample: SampleShape, counts: Counts, cluster: Cluster
) -> Memory:
    """Of evaluating: the model, and beside it the base with new parts, on one GPU."""
    bf16 = params.train.precision == "bf16"
    networks = 2 + (params.train.start == "champion")
    batch = params.evaluate.batch_size
    block = 2 * block_bytes(shape, sample.patches, bf16) / 3  # nothing is kept: a block's largest intermediates
    pixels = 4 * 96 * 3 * sample.pixels / params.encode.num_frames * 4  # the VAE's widest layer, a latent frame at once
    return Memory(
        weights=networks * (2 if bf16 else 4) * counts.total / GIB,
        gradients=0.0,
        optimizer=0.0,
        ema=0.0,
        copies=0.0,
        activations=batch * max(block, pixels) / GIB,
        reserve=cluster.reserve_gib,
    )


def checkpoint_bytes(params: Params, trained: int) -> float:
    """Size of a checkpoint: the trained weights, their EMA and the optimizer's state."""
    return float((4 + 4 + (8 if params.train.optimizer == "adamw" else 4)) * trained)


def host_bytes(
    params: Params, counts: Counts, trained: int, processes_per_node: int, world: int, text_encoder: float
) -> float:
    """A node's own memory at its peak: each process reads the base and builds its model beside it, after the text
    encoder has gone; later it holds its part of a checkpoint."""
    part = 1 if EVERY_RANK_GATHERS else world
    a_process = max(2 * 4 * counts.total, text_encoder, checkpoint_bytes(params, trained) / part)
    return float(processes_per_node * a_process)
