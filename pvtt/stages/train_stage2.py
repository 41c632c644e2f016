"""train_stage2: outs/encode and outs/train_stage1/model → outs/train_stage2. Trains the whole transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.params.file import Params

STAGE = Stage(
    name="train_stage2",
    help="Fine-tune the whole transformer",
    reads=(
        "${model.base}/transformer",
        "outs/encode/encoded.jsonl",
        "outs/encode/crop_contract.json",
        "outs/encode/foreign.jsonl",
        "outs/encode/mask_contract.json",
        "outs/encode/samples",
        "outs/train_stage1/model",
    ),
    params=(
        "encode.image_features",
        "encode.max_photos",
        "encode.photo_size",
        "encode.text_tokens",
        "model.base",
        "seed",
        "train.attention",
        "train.compile",
        "train.contrastive_margin",
        "train.deterministic",
        "train.gradient_checkpointing",
        "train.loss",
        "train.optimizer",
        "train.perceptual",
        "train.precision",
        "train.product_dropout",
        "train.semantic_schedule",
        "train.sigma_sampling",
        "train.sigma_shift",
        "train.stage2",
        "train.text_dropout",
        "train.validation_pictures",
        "train.view_dropout",
    ),
    writes=(
        "outs/train_stage2/model",
        "outs/train_stage2/samples",
        "outs/train_stage2/loss.csv",
        "outs/train_stage2/validation.csv",
        "outs/train_stage2/trainable.json",
    ),
    metrics=("metrics/train_stage2.json",),
    work="pvtt.training.loop:train",
    distributed=True,
)


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Train as one job; raises as `pvtt.training.loop.train`."""
    from pvtt.files.atomic import atomic_write_text
    from pvtt.training.job import TrainJob

    metrics = dispatcher.run(STAGE.load_work(), TrainJob(workspace, "train_stage2", params), name=STAGE.name)
    atomic_write_text(workspace.metrics / f"{STAGE.name}.json", metrics.to_json(indent=2) + "\n")
