"""Runs a training stage and, if asked to, ends this very process in the middle of it, by a real signal.

python -m tests.training.run_stage ROOT STEPS [step N | checkpoint N] [SIGNAL]
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

import torch

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.stages import train_stage1
from pvtt.training.loop import Training
from tests.training.samples import tiny_params


def end_in_step(number: int, with_signal: signal.Signals) -> None:
    """Send the signal after the gradients of a step are there and before the weights change."""
    original = Training._require_finite

    def require_finite(self: Training, values: Any, keys: Any) -> None:
        original(self, values, keys)
        if values.ndim == 0 and self.step + 1 == number:
            os.kill(os.getpid(), with_signal)

    Training._require_finite = require_finite  # type: ignore[method-assign]


def end_in_checkpoint(number: int, with_signal: signal.Signals) -> None:
    """Send the signal when half of a checkpoint is written."""
    original = torch.save

    def save(state: dict[str, Any], file: BinaryIO) -> None:
        original(state, file)
        if state["step"] == number:
            file.truncate(file.tell() // 2)
            os.kill(os.getpid(), with_signal)

    torch.save = save  # type: ignore[assignment]


def main(root: str, steps: str, where: str = "", number: str = "0", with_signal: str = "SIGKILL") -> None:
    if where == "step":
        end_in_step(int(number), signal.Signals[with_signal])
    elif where == "checkpoint":
        end_in_checkpoint(int(number), signal.Signals[with_signal])
    train_stage1.run(Workspace(Path(root)), tiny_params(int(steps)), InlineDispatcher())


if __name__ == "__main__":
    main(*sys.argv[1:])
