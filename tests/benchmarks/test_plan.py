"""How near `pvtt plan` comes to a real training: seconds a step and peak memory of the tiny profile on this CPU.

`pytest tests/benchmarks/test_plan.py -s` prints the figures; about two minutes. A core's rate is measured first, by a
product of matrices as large as tiny's, so that what is compared is the plan's arithmetic and not this machine's speed:
the plan then assumes that all of a step runs at that rate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

from pvtt.params.file import load_params
from pvtt.plan.cluster import Cluster
from pvtt.plan.counts import count
from pvtt.plan.memory import training_memory
from pvtt.plan.shape import GIB, architecture, base_config, sample_shape
from pvtt.plan.work import Model, step_flops

PROJECT = Path(__file__).resolve().parents[2]
WARM_UP_STEPS, STEPS = 2, 6

TRAIN = """
import json, resource, sys, time
from pathlib import Path
from pvtt.files.workspace import Workspace
from pvtt.params.file import load_params
from pvtt.training.job import TrainJob
from pvtt.training.loop import Training
from pvtt.training.runtime import accelerate_for, deterministic
from tests.training.samples import Shape, write_encoded

folder, project, warm_up, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
params = load_params(project / "params.yaml")
encode = params.encode
shape = Shape(
    latents=(16, 2, encode.height // 8, encode.width // 8),
    photo=(encode.photo_size // 8, encode.photo_size // 8),
    text=(encode.text_tokens, 32),
)
workspace = Workspace(folder)
write_encoded(workspace.out("encode"), {"train": 8, "val": 1}, num_variants=2, max_views=4, shape=shape)
(folder / "models").symlink_to(project / "models")
train = params.train.model_copy(update={
    "start": "base", "wandb": "disabled", "validation_pictures": 0,
    "stage1": params.train.stage2.model_copy(update={"steps": warm_up + steps + 1}),
})
params = params.model_copy(update={"train": train})

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

with deterministic(), accelerate_for(params.train, 1) as accelerator:
    before = resident()
    training = Training(TrainJob(workspace, "train_stage1", params), accelerator)
    for _ in range(warm_up):
        training.train_step()
    started = time.perf_counter()
    for _ in range(steps):
        training.train_step()
    seconds = (time.perf_counter() - started) / steps
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "bytes": peak - before}))
"""


def core_rate() -> float:
    """FLOP/s of one thread, on products of the size of tiny's."""
    torch.set_num_threads(1)
    left, right = torch.randn(4448, 256), torch.randn(256, 1024)
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - started)
    return 2 * 4448 * 256 * 1024 / best


def test_a_tiny_training_takes_what_is_planned(tmp_path: Path) -> None:
    params = load_params(PROJECT / "params.yaml")
    config, _ = base_config(params, PROJECT)
    shape, sample, counts = architecture(config), sample_shape(params), count(params, config)
    rate = core_rate()
    process = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path), str(PROJECT), str(WARM_UP_STEPS), str(STEPS)],
        cwd=PROJECT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)},
        check=True,
        capture_output=True,
        text=True,
    )
    measured = json.loads(process.stdout.splitlines()[-1])
    batch = params.train.stage2.batch_size
    flops = batch * step_flops(params, Model(shape, counts.total, sample.patches), counts.trainable[1], False)
    memory = training_memory(params, shape, sample, counts, 2, Cluster(1, reserve_gib=0.0), sharded=False)
    seconds, gib = flops / rate, memory.total
    print(f"\none core: {rate / 1e9:.0f} GFLOP/s on matrix products")
    print(f"a step: {measured['seconds']:.2f} s measured, {seconds:.2f} s planned at that rate")
    print(f"memory: {measured['bytes'] / GIB:.2f} GiB measured, {gib:.2f} GiB planned")
    assert 0.5 < measured["bytes"] / GIB / gib < 1.5
    assert 0.5 < measured["seconds"] / seconds < 3
