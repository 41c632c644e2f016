"""A step of Muon over wan-tiny's matrices, against torch's own in the same run.

`pytest tests/benchmarks/test_muon.py -s` prints the figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from torch import nn

from pvtt.training.muon import Muon
from pvtt.training.optimizer import is_matrix

REPEATS = 3


def seconds(step: Callable[[], object]) -> float:
    """The best of a few, after one to warm up."""
    times = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def test_it_takes_a_share_of_torchs_time(project_root: Path) -> None:
    model = WanTransformer3DModel.from_pretrained(
        project_root / "models" / "wan-tiny" / "transformer", torch_dtype=torch.float32
    )
    matrices = [nn.Parameter(weight.detach().flatten(1)) for weight in model.parameters() if is_matrix(weight)]
    for matrix in matrices:
        matrix.grad = torch.randn_like(matrix)
    ours = seconds(Muon(matrices, 1e-3).step)
    theirs = seconds(torch.optim.Muon(matrices, 1e-3, weight_decay=0.0, adjust_lr_fn="match_rms_adamw").step)
    print(
        f"\n{len(matrices)} matrices: {ours:.2f} s a step, torch's own {theirs:.2f} s: {theirs / ours:.1f} times",
        end="",
    )
    assert ours < 1.5 * theirs
