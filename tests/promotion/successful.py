"""A small workspace whose run succeeded: everything is measured by the real evaluation, and decided by the real matrix.

No network of a few thousand parameters succeeds within seconds of training, so the sampler's videos are drawn in its
place: with the product's own photos the true film, a little brighter, with others' noise. Samples, masks, pasted
photos, metrics, intervals, ratings and verdict are the real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.evaluation.generate import ConditionedSample, Generator
from pvtt.evaluation.samples import Windows
from pvtt.files.workspace import Workspace
from pvtt.media.arrays import Video
from pvtt.params.file import Params, load_params
from pvtt.ratings.store import RatingStore
from pvtt.ratings.summary import samples_to_rate
from pvtt.records.dataset import read_entries, read_transfers
from pvtt.records.evaluation import read_evaluated, read_run
from pvtt.records.ratings import Rating
from pvtt.stages import decide, evaluate
from tests.evaluated import EvaluatedProject, build_project

TARGETS = {"min_n": 4, "min_products": 2, "save_videos": 4}
AUDITED = 2  # samples: a second each


def draw_videos(workspace: Workspace, params: Params, brighter: float, patch: pytest.MonkeyPatch) -> None:
    """Let the sampler draw: for the model with own photos the true film, so many levels of 255 brighter."""
    validated = workspace.out("validate")
    entries = {entry.key: entry for entry in (*read_entries(validated), *read_transfers(validated).entries)}

    @cache
    def true_film(key: str) -> Video:
        return Windows(workspace, params).read(entries[key]).pixels

    def videos(
        self: Generator,
        samples: Sequence[ConditionedSample],
        products: Sequence[ConditionedSample] | None,
        *,
        network: str,
        **how: Any,
    ) -> list[Video]:
        drawn = []
        for number, sample in enumerate(samples):
            truth = true_film(sample.key)
            if network == "model" and products is not None and products[number].path == sample.path:
                film = truth + brighter
            else:
                film = np.random.default_rng(list(f"{network}{sample.key}".encode())).normal(128, 60, truth.shape)
            drawn.append(np.clip(np.rint(film), 0, 255).astype(np.uint8))
        return drawn

    patch.setattr(Generator, "videos", videos)


def evaluate_and_decide(workspace: Workspace, params: Params, brighter: float = 6.0, score: int = 5) -> None:
    """Evaluate with drawn videos, let two people rate them, and decide."""
    with pytest.MonkeyPatch.context() as patch:
        draw_videos(workspace, params, brighter, patch)
        evaluate.run(workspace, params, InlineDispatcher())
    run_id = read_run(workspace.out("evaluate") / "run.json").run_id
    store = RatingStore(workspace.ratings / f"{run_id}.jsonl")
    for sample in samples_to_rate(read_evaluated(workspace.out("evaluate"))):
        for rater in ("ann", "bob"):
            store.append(
                Rating(
                    run_id=run_id,
                    rater=rater,
                    product_id=sample.product_id,
                    clip_id=sample.clip_id,
                    score=score,
                    rated_at="2026-01-01T00:00:00+00:00",
                )
            )
    decide.run(workspace, params, InlineDispatcher())


def build_successful_project(root: Path, clip: Path) -> EvaluatedProject:
    """Make it below `root`, with `params.yaml`.

    Args:
        root: An empty folder.
        clip: Folder of the CLIP that measures.
    """
    project = build_project(root)
    workspace = project.workspace
    write_params(workspace.params_file, project.params, {"clip_weights": str(clip), **TARGETS})
    params = load_params(workspace.params_file)
    evaluate_and_decide(workspace, params)
    return EvaluatedProject(workspace, params)


def write_params(path: Path, params: Params, evaluate_changes: dict[str, Any]) -> None:
    """Write params.yaml with these params, as a run of the profile poc, and changes of `evaluate`."""
    data = params.model_dump(mode="json", by_alias=True)
    data["profile"] = "poc"
    data["evaluate"] |= evaluate_changes
    data["promote"] |= {"audited_videos": AUDITED}
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(data, file)
