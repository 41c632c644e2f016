"""Workspaces with code of their own, whose `photos` stage says in its result which version of its text ran."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pvtt.files.workspace import Workspace
from tests.scenes import add_product

STAGE = Path("pvtt", "photos", "prepare.py")
OPENING = "message=reject.message"

DVC_YAML = """
stages:
  photos:
    cmd: pvtt photos
    deps: [data, pvtt/photos]
    params: [photos]
    outs: [outs/photos]
"""


@dataclass(frozen=True)
class OwnCode:
    """A workspace with a `pvtt/` of its own, and the command of a virtual environment that holds another one."""

    workspace: Workspace

    @property
    def root(self) -> Path:
        return self.workspace.root

    def write_text(self, text: str) -> None:
        """Change the stage's text, as a person would who edits it."""
        lines = (self.root / STAGE).read_text().split("\n")
        (number,) = (number for number, line in enumerate(lines) if OPENING in line)
        start, _, _ = lines[number].partition(OPENING)
        lines[number] = f"{start}{OPENING} + {' by ' + text!r}))"
        (self.root / STAGE).write_text("\n".join(lines))

    def written(self) -> str:
        """The text that ran, as it stands in the stage's result."""
        rejects = self.workspace.out("photos") / "rejects.jsonl"
        return rejects.read_text() if rejects.exists() else ""

    def run(self, *command: str, folder: str = ".", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this virtual environment below the workspace, without a PYTHONPATH."""
        return subprocess.run(
            command,
            cwd=self.root / folder,
            env=self.environment() | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def environment(self) -> dict[str, str]:
        """Of a person who has activated the virtual environment."""
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
        return own | {"PATH": path, "PVTT_DISPATCH": "inline", "DVC_NO_ANALYTICS": "1"}


def own_code(project_root: Path, root: Path, text: str) -> OwnCode:
    """A copy of the project's code whose stage says `text`, with one product: its photo cannot be read."""
    ignored = shutil.ignore_patterns("__pycache__", "site")
    shutil.copytree(project_root / "pvtt", root / "pvtt", ignore=ignored)
    shutil.copy(project_root / "params.yaml", root)
    made = OwnCode(Workspace(root))
    add_product(made.workspace, "P1", photos=[b"no picture"])
    made.write_text(text)
    return made


def under_dvc(made: OwnCode) -> OwnCode:
    """The same workspace with its stage under Git and DVC."""
    (made.root / "dvc.yaml").write_text(DVC_YAML)
    (made.root / ".gitignore").write_text("/data/\n/outs/\n/.pvtt/\n__pycache__/\n")
    (made.root / ".dvcignore").write_text("__pycache__/\n")
    for command in (
        ["git", "init", "-q", "-b", "main"],
        ["git", "config", "user.name", "A Person"],
        ["git", "config", "user.email", "person@example.com"],
        ["python", "-c", "from dvc.repo import Repo; Repo.init('.').add('data')"],
        ["git", "add", "-A"],
        ["git", "commit", "-q", "-m", "A project"],
    ):
        done = made.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    return made
