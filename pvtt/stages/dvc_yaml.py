"""The stages of `dvc.yaml`, written from the stage objects: `make dvc-deps`.

Comments, plots and everything else in the file stay as they are.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from pvtt.files.atomic import atomic_write_text
from pvtt.stages.all import STAGES
from pvtt.stages.stage import Stage


def describe(stage: Stage, root: Path | None = None) -> dict[str, Any]:
    """A stage's part of `dvc.yaml`.

    Args:
        stage: The stage.
        root: The checkout whose code it depends on; by default the one that is running.
    """
    described: dict[str, Any] = {
        "desc": stage.help,
        "cmd": f"pvtt {stage.name}",
        "deps": sorted((*stage.reads, *stage.code_files(root))),
        "params": list(stage.params),
    }
    if stage.writes:
        described["outs"] = list(stage.writes)
    if stage.metrics:
        described["metrics"] = [{name: {"cache": False}} for name in stage.metrics]
    return described


def with_stages(text: str, root: Path | None = None) -> str:
    """The text of a `dvc.yaml` with the stages as their objects say. Arguments as `describe`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 120
    document = yaml.load(text)
    stages = CommentedMap({stage.name: describe(stage, root) for stage in STAGES})
    for stage in STAGES[1:]:
        stages.yaml_set_comment_before_after_key(stage.name, before="\n")
    document["stages"] = stages
    document.yaml_set_comment_before_after_key("plots", before="\n")
    written = io.StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def write(path: Path) -> bool:
    """Bring a `dvc.yaml` up to date with the code beside it; returns whether it changed."""
    text = path.read_text(encoding="utf-8")
    updated = with_stages(text, path.resolve().parent)
    if updated == text:
        return False
    atomic_write_text(path, updated)
    return True


if __name__ == "__main__":
    changed = write(Path("dvc.yaml"))
    print("dvc.yaml is written anew" if changed else "dvc.yaml is up to date")
