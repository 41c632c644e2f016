"""evaluate: the trained pipeline, the base, and samples of every split → metrics/evaluate.json, outs/evaluate.

Runs as one job with the profile's whole resources: generating is what takes the time. Finished batches of latents are
kept in the item cache, so a killed evaluation continues.
"""

from __future__ import annotations

from pvtt.errors import MissingInputError
from pvtt.files.workspace import Workspace
from pvtt.items.dispatcher import Dispatcher
from pvtt.params.file import Params

STAGE = "evaluate"
MODEL = "outs/train_stage2/model"


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Measure the model of training stage 2.

    Raises:
        MissingInputError: The model, the dataset or the encoded samples are missing.
        PvttError: They do not fit each other, or the evaluator fails its own checks.
    """
    from pvtt.evaluation.evaluate import EvaluateJob, run_evaluation

    for path, stage in (
        (workspace.root / MODEL / "model_index.json", "train_stage2"),
        (workspace.out("validate") / "samples.jsonl", "validate"),
        (workspace.out("encode") / "samples.jsonl", "encode"),
    ):
        if not path.is_file():
            raise MissingInputError(f"{path} does not exist", f"run `dvc repro {stage}` (or `pvtt {stage}`) first")
    dispatcher.run(run_evaluation, EvaluateJob(workspace, MODEL, params), name=STAGE)
