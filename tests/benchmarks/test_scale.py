"""`validate` on 50,000 clips of 10,000 products with small real media: first run, nothing to do, one more product; two
processes.

`pytest tests/benchmarks/test_scale.py -s` prints wall and CPU seconds and the peak of memory of each run.
`PVTT_SCALE_CLIPS=5000` takes a tenth. `PVTT_SCALE=/some/folder` keeps the media there, and takes up those that are
there already. `tests/dataset/test_many.py` counts calls at 80 and 160 clips in every `make test`.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from pvtt.files.workspace import Workspace
from tests.dataset.build import params
from tests.dataset.many import CLIPS_EACH, add_products

pytestmark = pytest.mark.timeout(7200)
NUM_CLIPS = int(os.environ.get("PVTT_SCALE_CLIPS", "50000"))
NUM_PRODUCTS = NUM_CLIPS // CLIPS_EACH
SHARE = NUM_CLIPS / 50_000
START_S = 20  # of Python and Great Expectations, whatever the number of clips
RUN = """
import sys
from pathlib import Path
from pvtt.dispatch import InlineDispatcher, LocalDispatcher
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.stages import validate
params = Params.model_validate_json(Path(sys.argv[2]).read_text())
workers = int(sys.argv[3])
validate.run(Workspace(Path(sys.argv[1])), params, LocalDispatcher(workers) if workers > 1 else InlineDispatcher())
"""


@dataclass(frozen=True)
class Cost:
    """Of one run and the processes that it started."""

    wall_s: float
    cpu_s: float
    peak_gib: float


def measure(name: str, workspace: Workspace, project_root: Path, workers: int = 1) -> Cost:
    file = workspace.root / "params.json"
    file.write_text(json.dumps(params().model_dump(mode="json", by_alias=True)))
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-c", RUN, str(workspace.root), str(file), str(workers)]
    run = subprocess.run(command, cwd=project_root, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run.returncode == 0, run.stderr
    cost = Cost(
        time.monotonic() - began,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        after.ru_maxrss / 2**20,  # of the largest so far
    )
    print(f"{name}: {cost.wall_s:.1f} s, {cost.cpu_s:.1f} CPU s, at most {cost.peak_gib:.2f} GiB")
    return cost


def test_first_run_nothing_to_do_and_one_more_product(
    project_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = os.environ.get("PVTT_SCALE")
    workspace = Workspace(Path(kept) if kept else tmp_path_factory.mktemp("scale"))
    shutil.rmtree(workspace.state, ignore_errors=True)  # what an earlier run of this file has seen
    began = time.process_time()
    add_products(workspace, NUM_PRODUCTS)
    print(f"\n{NUM_CLIPS} clips of {NUM_PRODUCTS} products: {time.process_time() - began:.0f} CPU s to make")
    first = measure("first run", workspace, project_root)
    nothing = measure("nothing to do", workspace, project_root)
    add_products(workspace, NUM_PRODUCTS + 1)
    more = measure("one more product", workspace, project_root)
    shutil.rmtree(workspace.state)
    shutil.rmtree(workspace.out("validate"))
    two = measure("first run, two processes", workspace, project_root, workers=2)
    print(f"two processes are {first.wall_s / two.wall_s:.2f} times as fast")
    assert first.wall_s <= max(START_S, 120 * SHARE)
    assert nothing.wall_s <= max(START_S, 30 * SHARE)
    assert more.wall_s - nothing.wall_s <= 10
    assert max(first.peak_gib, nothing.peak_gib, more.peak_gib, two.peak_gib) <= 2
    if NUM_CLIPS >= 20_000:  # below, starting them is most of it
        assert first.wall_s / two.wall_s >= 1.8
