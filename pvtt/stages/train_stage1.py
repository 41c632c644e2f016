"""train_stage1: outs/encode and the base or the champion → outs/train_stage1. Trains the parts and self-attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.params.file import Params

STAGE = Stage(
    name="train_stage1",
    help="Train the product adapter on the frozen base model",
    reads=(
        "${model.base}/model_index.json",
        "${model.base}/scheduler",
        "${model.base}/text_encoder",
        "${model.base}/tokenizer",
        "${model.base}/transformer",
        "${model.base}/vae",
        "${model.champion}/model_index.json",
        "${model.champion}/scheduler",
        "${model.champion}/text_encoder",
        "${model.champion}/tokenizer",
        "${model.champion}/transformer",
        "${model.champion}/vae",
        "outs/encode/encoded.jsonl",
        "outs/encode/crop_contract.json",
        "outs/encode/foreign.jsonl",
        "outs/encode/mask_contract.json",
        "outs/encode/samples",
    ),
    params=(
        "encode.image_features",
        "encode.max_photos",
        "encode.photo_size",
        "encode.text_tokens",
        "model",
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
        "train.stage1",
        "train.start",
        "train.text_dropout",
        "train.validation_pictures",
        "train.view_dropout",
    ),
    writes=(
        "outs/train_stage1/model",
        "outs/train_stage1/samples",
        "outs/train_stage1/loss.csv",
        "outs/train_stage1/validation.csv",
        "outs/train_stage1/trainable.json",
    ),
    metrics=("metrics/train_stage1.json",),
    work="pvtt.training.loop:train",
    distributed=True,
)


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Train as one job; raises as `pvtt.training.loop.train`."""
    from pvtt.files.atomic import atomic_write_text
    from pvtt.training.job import TrainJob

    metrics = dispatcher.run(STAGE.load_work(), TrainJob(workspace, "train_stage1", params), name=STAGE.name)
    atomic_write_text(workspace.metrics / f"{STAGE.name}.json", metrics.to_json(indent=2) + "\n")
