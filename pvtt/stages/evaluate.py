"""evaluate: the trained pipeline, the base, samples and transfers → metrics/evaluate.json, outs/evaluate.

Runs as one job with the profile's whole resources: generating is what takes the time. Finished batches of latents are
kept in the item cache, so a killed evaluation continues.
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
    work="pvtt.evaluation.evaluate:run_evaluation",
)
MODEL = "outs/train_stage2/model"


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Measure the model of training stage 2.

    Raises:
        MissingInputError: The model, the dataset or the encoded samples are missing.
        PvttError: They do not fit each other, or the evaluator fails its own checks.
    """
    from pvtt.evaluation.evaluate import EvaluateJob
    from pvtt.files.workspace import require_output
    from pvtt.records.dataset import ENCODED_FILE, ENTRIES_FILE

    for path, stage in (
        (workspace.root / MODEL / "model_index.json", "train_stage2"),
        (workspace.out("validate") / ENTRIES_FILE, "validate"),
        (workspace.out("encode") / ENCODED_FILE, "encode"),
    ):
        require_output(path, stage)
    dispatcher.run(STAGE.load_work(), EvaluateJob(workspace, MODEL, params), name=STAGE.name)
