"""train_stage1: outs/encode and the base → outs/train_stage1. Trains the adapter and the new input channels."""

from __future__ import annotations

from pvtt.files.atomic import atomic_write_text
from pvtt.files.workspace import Workspace
from pvtt.items.dispatcher import Dispatcher
from pvtt.params.file import Params
from pvtt.training.job import TrainJob, TrainStage

STAGE: TrainStage = "train_stage1"


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Train as one job; raises as `pvtt.training.loop.train`."""
    from pvtt.training.loop import train

    metrics = dispatcher.run(train, TrainJob(workspace, STAGE, params), name=STAGE)
    atomic_write_text(workspace.metrics / f"{STAGE}.json", metrics.to_json(indent=2) + "\n")
