"""evaluate: the trained pipeline, the base, samples and transfers → metrics/evaluate.json, outs/evaluate.

One item a batch of samples, generated and measured in the same place: a shard with one GPU, or with a share of the
cores. Finished batches are kept in the item cache, and so are their latents, which are not made again where only the
measuring changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.params.file import Params

STAGE = Stage(
    name="evaluate",
    help="Generate videos for all splits and measure them",
    reads=(
        "${model.base}/transformer",
        "${model.champion}/transformer",
        "${validate.transfers}",
        "outs/clip/videos",
        "outs/encode/encoded.jsonl",
        "outs/encode/samples",
        "outs/encode/transfers.jsonl",
        "outs/photos/photos",
        "outs/segment/masks",
        "outs/train_stage2/model",
        "outs/validate/entries.jsonl",
        "outs/validate/transfers.json",
    ),
    params=(
        "encode",
        "evaluate",
        "model.base",
        "model.champion",
        "model.conditioning",
        "seed",
        "train.precision",
        "train.start",
    ),
    writes=(
        "outs/evaluate/videos",
        "outs/evaluate/evaluated.jsonl",
        "outs/evaluate/run.json",
        "outs/evaluate/metrics.csv",
    ),
    metrics=("metrics/evaluate.json",),
    work="pvtt.evaluation.batch:evaluate_batch",
    on_gpu=True,
)
MODEL = "outs/train_stage2/model"


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Measure the model of training stage 2.

    Raises:
        MissingInputError: The model, the dataset or the encoded samples are missing.
        PvttError: They do not fit each other, or the evaluator fails its own checks.
    """
    from pvtt.evaluation.evaluate import EvaluateJob, run_evaluation
    from pvtt.files.workspace import require_output
    from pvtt.records.dataset import ENCODED_FILE, ENTRIES_FILE

    for path, stage in (
        (workspace.root / MODEL / "model_index.json", "train_stage2"),
        (workspace.out("validate") / ENTRIES_FILE, "validate"),
        (workspace.out("encode") / ENCODED_FILE, "encode"),
    ):
        require_output(path, stage)
    run_evaluation(EvaluateJob(workspace, MODEL, params), dispatcher)
