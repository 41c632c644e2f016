"""Runs a training stage as a process of its own: python -m tests.training.run_stage ROOT STEPS."""

from __future__ import annotations

import sys
from pathlib import Path

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.stages import train_stage1
from tests.training.samples import tiny_params

if __name__ == "__main__":
    root, steps = sys.argv[1:]
    train_stage1.run(Workspace(Path(root)), tiny_params(int(steps)), InlineDispatcher())
