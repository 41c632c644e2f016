"""A project before the gate: a run that succeeded, under real Git and real DVC, with everything committed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.evaluation.contenders.all import measured_routes
from pvtt.evaluation.evaluate import EvaluateJob, as_csv, summarise_run
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params, load_params
from pvtt.records.base import write_jsonl
from pvtt.records.evaluation import EvaluatedSample, read_evaluated, read_metrics, read_run, write_metrics
from pvtt.stages import decide
from pvtt.stages.all import STAGES
from tests.promotion.successful import build_successful_project
from tests.run_dvc import run_dvc

ROOT = Path(__file__).resolve().parents[2]
INFRA = ("slurm/h800.yaml", "accelerate/fsdp2.yaml", "profiles/poc.yaml", "profiles/prod.yaml")
SUBMITTER = ("Sam Submitter", "sam@example.org")
APPROVER = ("Ada Approver", "ada@example.org")


@dataclass(frozen=True)
class Gated:
    """A checkout, and what a person does in it."""

    workspace: Workspace

    @property
    def root(self) -> Path:
        return self.workspace.root

    @property
    def params(self) -> Params:
        return load_params(self.workspace.params_file)

    def run(self, *command: str, **environment: str) -> str:
        """Run a command as a person would; returns what it printed."""
        done = subprocess.run(
            command, cwd=self.root, env=clean_environment() | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments)

    def dvc(self, *arguments: str) -> None:
        run_dvc(self.root, *arguments)

    def commit(self, *stages: str) -> None:
        """Make what lies there the recorded result, by force, and commit all of it."""
        if stages:
            self.dvc("commit", "--quiet", "--force", *stages)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Results")

    def edit_samples(self, change: Callable[[list[EvaluatedSample]], Sequence[EvaluatedSample]]) -> None:
        """Change the samples' own records, and nothing else."""
        out = self.workspace.out("evaluate")
        _make_writable(out / "evaluated.jsonl")
        write_jsonl(out / "evaluated.jsonl", change(read_evaluated(out)))

    def summarise(self) -> None:
        """Compute summaries and decision from the samples' records as they are, as the stages do."""
        out, file = self.workspace.out("evaluate"), self.workspace.metrics / "evaluate.json"
        run, samples, before = read_run(out / "run.json"), read_evaluated(out), read_metrics(file)
        job = EvaluateJob(self.workspace, run.model, self.params)
        nothing = dict.fromkeys(("train", "val", "test", "transfer"))
        metrics = summarise_run(run.run_id, samples, nothing, job, measured_routes(before), before.routes)  # type: ignore[arg-type]
        write_metrics(file, metrics)
        _make_writable(out / "metrics.csv")
        (out / "metrics.csv").write_text(as_csv(metrics))
        self.decide()

    def decide(self) -> None:
        """What `pvtt decide` does."""
        decide.run(self.workspace, self.params, InlineDispatcher())


def _make_writable(path: Path) -> None:
    """Take a file out of DVC's cache, of which it may be a hard link."""
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    copy.chmod(0o644)
    copy.replace(path)


def clean_environment() -> dict[str, str]:
    """A person's environment: nothing of Prefect's, and the flows of this checkout importable."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    return own | {"PYTHONPATH": str(ROOT)}


def build_gated_project(root: Path, clip: Path) -> Gated:
    """Make it in an empty folder. Arguments as `build_successful_project`."""
    project = Gated(build_successful_project(root, clip).workspace)
    put_under_version_control(project)
    return project


def put_under_version_control(project: Gated) -> None:
    """Git and DVC as in the real project, with the stages' own inputs and outputs, as far as they are there."""
    root = project.root
    for name in INFRA:
        (root / "infra" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "infra" / name, root / "infra" / name)
    (root / "data" / "products").mkdir(parents=True)
    (root / "data" / "products" / "note.txt").write_text("nine discs")
    (root / ".gitignore").write_text("/data/\n/outs/\n/models/\n/.pvtt/\n")
    with (root / "dvc.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"stages": _stages(root)}, file)
    project.git("init", "--quiet", "--initial-branch", "main")
    for key, value in (("user.name", SUBMITTER[0]), ("user.email", SUBMITTER[1]), ("commit.gpgSign", "false")):
        project.git("config", key, value)
    project.dvc("init", "--quiet")
    for key in ("core.analytics", "core.autostage", "core.check_update"):
        project.dvc("config", key, "false")
    project.dvc("add", "--quiet", "data")
    project.commit(*_stages(root))


def _stages(root: Path) -> dict[str, dict[str, object]]:
    """Those of `dvc.yaml`, without the code that they depend on."""
    found = {}
    for stage in STAGES:
        outs = [name for name in stage.writes if (root / name).exists()]
        metrics = [{name: {"cache": False}} for name in stage.metrics if (root / name).exists()]
        if outs or metrics:
            deps = [name for name in stage.reads if name.startswith("${model.base}") or (root / name).exists()]
            found[stage.name] = {"cmd": f"pvtt {stage.name}", "deps": deps, "params": list(stage.params), "outs": outs}
            found[stage.name] |= {"metrics": metrics} if metrics else {}
    return found
