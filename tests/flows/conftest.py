"""A small project under real Git and real DVC, with stand-in commands, and a real Prefect server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pvtt.files.workspace import Workspace

if TYPE_CHECKING:
    from tests.flows.gated import Gated

# Each stage counts its runs, so that a test sees which were redone; `fail` and `kill` files make a stage end badly.
STAGE = """
import os, pathlib, signal, sys
from pvtt.items.progress import Progress
from pvtt.records.process import Failure, leave_failure
stage, *inputs = sys.argv[1:]
runs = pathlib.Path(".pvtt/runs", stage)
runs.parent.mkdir(parents=True, exist_ok=True)
runs.write_text(str(int(runs.read_text()) + 1 if runs.exists() else 1))
if pathlib.Path(".pvtt/fail", stage).exists():
    leave_failure(
        Failure(exit_code=4, message=f"{stage}: 5 of 9 items failed", hint=f"read outs/{stage}/rejects.jsonl")
    )
    sys.exit(4)
kill = pathlib.Path(".pvtt/kill", stage)
if kill.exists():
    kill.unlink()
    os.kill(os.getpid(), signal.SIGTERM)
with Progress(stage, 4, pathlib.Path(".pvtt/progress", stage + ".json")) as progress:
    progress.update(3, "loss 0.4")
read = [file.read_text() for folder in inputs for file in sorted(pathlib.Path(folder).rglob("*.txt"))]
out = pathlib.Path("outs", stage)
out.mkdir(parents=True, exist_ok=True)
(out / "result.txt").write_text(stage + "".join(read))
"""

DVC_YAML = """
stages:
  clip:
    cmd: python stage.py clip data
    deps: [data]
    params: [clip]
    outs: [outs/clip]
  photos:
    cmd: python stage.py photos data
    deps: [data]
    params: [photos]
    outs: [outs/photos]
  decide:
    cmd: python stage.py decide outs/clip outs/photos && cp decision.json metrics/decision.json
    deps: [outs/clip, outs/photos, decision.json]
    outs: [outs/decide]
    metrics: [metrics/decision.json: {cache: false}]
"""


@dataclass(frozen=True)
class Project:
    """A checkout to run flows in."""

    workspace: Workspace

    @property
    def root(self) -> Path:
        return self.workspace.root

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def runs(self, stage: str) -> int:
        """How often a stage's command has run."""
        file = self.workspace.state / "runs" / stage
        return int(file.read_text()) if file.exists() else 0

    def mark(self, kind: str, stage: str) -> Path:
        """Make a stage `fail` until the file is gone, or `kill` it once."""
        file = self.workspace.state / kind / stage
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        return file

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run this interpreter in the project, as a person would."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self.environment() | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def environment(self) -> dict[str, str]:
        """A person's environment: nothing of Prefect's, and the flows of this checkout importable."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
        return own | {"PYTHONPATH": str(Path(__file__).parents[2])}


def make_decision() -> str:
    from pvtt.records.decision import Criterion, Decision, NextStep

    psnr = Criterion(
        name="psnr",
        part="train",
        label="training PSNR (dB)",
        comparison=">",
        bound="value",
        target=25.0,
        value=26.5,
        low=26.1,
        high=26.9,
        status="pass",
    )
    step = NextStep(text="train the full model", command="python -m flows.promote")
    return Decision(
        run_id="0123456789ab",
        verdict="success",
        reason="All criteria passed.",
        criteria=(psnr,),
        missing=(),
        next_steps=(step,),
    ).to_json()


@pytest.fixture(scope="session")
def project_template(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    """The project's files, committed; made once, since Git and DVC take a second to start."""
    root = tmp_path_factory.mktemp("template")
    shutil.copy(project_root / "params.yaml", root)
    (root / "stage.py").write_text(STAGE)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "decision.json").write_text(make_decision())
    (root / ".gitignore").write_text("/data/\n/outs/\n/.pvtt/\n__pycache__/\n")
    product = root / "data" / "products" / "JEWE001"
    product.mkdir(parents=True)
    (product / "note.txt").write_text("a ring")
    (root / "metrics").mkdir()
    (root / "metrics" / ".gitkeep").touch()
    for command in (
        ["git", "init", "-q", "-b", "main"],
        ["git", "config", "user.name", "A Person"],
        ["git", "config", "user.email", "person@example.com"],
        [sys.executable, "-m", "dvc", "init", "-q"],
        [sys.executable, "-m", "dvc", "config", "core.analytics", "false"],
        [sys.executable, "-m", "dvc", "config", "core.autostage", "false"],
        [sys.executable, "-m", "dvc", "add", "-q", "data"],
        ["git", "add", "-A"],
        ["git", "commit", "-q", "-m", "A project"],
    ):
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    return root


@pytest.fixture
def project(project_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A fresh checkout, and this process in it."""
    root = tmp_path / "project"
    shutil.copytree(project_template, root)
    monkeypatch.chdir(root)
    return Project(Workspace(root))


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """A real Prefect server with a database of its own, which Prefect in this process talks to; its API's address."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    import flows  # noqa: F401  # Prefect's environment

    with prefect_test_harness(server_startup_timeout=300):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def gated_project(tmp_path_factory: pytest.TempPathFactory) -> Gated:
    """A project whose run succeeded, before the gate; made once: copy it before changing it."""
    from tests.flows.gated import build_gated_project
    from tests.small_networks import save_clip

    return build_gated_project(tmp_path_factory.mktemp("gated"), save_clip(tmp_path_factory.mktemp("clip")))
