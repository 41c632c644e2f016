"""Seconds a training step takes alone, and beside four processes that spin, as on a laptop in use.

`pytest tests/benchmarks/test_busy_machine.py -s` prints the figures. What the cores give: T threads beside S processes
that spin get T / (T + S) of the cores, so a step takes 1 + S / T times as long as alone where nothing is lost.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NUM_SPINNING = 4
STEPS = 10
MAX_OVER_SHARE = 3.0
MEASURE = """
import sys, tempfile, time
from pathlib import Path
from pvtt.files.threads import set_thread_policy
set_thread_policy()
from pvtt.files.workspace import Workspace
from pvtt.params.file import load_params
from pvtt.training.job import TrainJob
from pvtt.training.loop import Training
from pvtt.training.runtime import accelerate_for, deterministic, num_threads
from tests.benchmarks.test_training_step import SHAPE, shortened
from tests.training.samples import write_encoded
workspace = Workspace(Path(tempfile.mkdtemp()))
(workspace.root / "models").symlink_to(Path("models").resolve())
write_encoded(workspace.out("encode"), {"train": 32, "val": 4}, num_variants=4, max_views=4, shape=SHAPE)
params = shortened(load_params(Path("params.yaml")), "fp32")
with deterministic(), accelerate_for(params.train, 1) as accelerator:
    training = Training(TrainJob(workspace, "train_stage1", params), accelerator)
    seconds = []
    for _ in range(int(sys.argv[1]) + 2):
        start = time.perf_counter()
        training.train_step()
        seconds.append(time.perf_counter() - start)
print(num_threads(), sorted(seconds[2:])[int(sys.argv[1]) // 2])
"""


def seconds_a_step(root: Path, **environment: str) -> tuple[int, float]:
    """Threads, and the median over `STEPS` steps, in a process of its own."""
    own = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_NUM_THREADS")}
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, str(STEPS)],
        cwd=root,
        env=own | {"PYTHONPATH": str(root)} | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    threads, seconds = result.stdout.split()
    return int(threads), float(seconds)


@contextmanager
def busy(num_processes: int) -> Iterator[None]:
    """With processes that do nothing but use a core each."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(num_processes)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.timeout(1200)
def test_training_beside_a_busy_machine_takes_its_share(project_root: Path) -> None:
    libraries_own = {"GOMP_SPINCOUNT": "300000"}  # what libgomp does where nothing is set
    threads, alone = seconds_a_step(project_root)
    _, alone_before = seconds_a_step(project_root, **libraries_own)
    with busy(NUM_SPINNING):
        _, beside = seconds_a_step(project_root)
        _, beside_before = seconds_a_step(project_root, **libraries_own)
    share = alone * (1 + NUM_SPINNING / threads)
    print(
        f"\n{threads} threads: alone {alone:.2f} s (libgomp's own waiting {alone_before:.2f}), beside {NUM_SPINNING} "
        f"spinning processes {beside:.2f} s ({beside_before:.2f}); its share of the cores would give {share:.2f}, "
        f"so {beside / share:.2f} times that ({beside_before / share:.2f})",
        end="",
    )
    assert beside <= MAX_OVER_SHARE * share
    assert alone <= 1.3 * alone_before  # as far as one machine differs from itself within a minute
