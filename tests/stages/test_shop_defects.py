"""The sample shop's entries that clip and segment must turn away, each for its own reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pvtt.builtin.shop.catalog import catalog
from pvtt.dispatch import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.params.file import load_params
from pvtt.stages import clip, segment
from tests.scenes import add_product

STAGE_OF = {"too_short": "clip", "too_small": "clip", "no_product": "segment", "two_products": "segment"}


@pytest.mark.parametrize("defect", sorted(STAGE_OF))
def test_a_defect_is_turned_away_for_its_own_reason(
    defect: str, workspace: Workspace, project_root: Path, reasons: Callable[[str], dict[str, str]]
) -> None:
    params = load_params(project_root / "params.yaml")
    site = project_root / "pvtt" / "builtin" / "shop" / "site"
    entries = [entry for entry in catalog() if entry.defect == defect]
    assert entries
    for entry in entries:
        add_product(workspace, entry.product_id, [(site / path).read_bytes() for path in entry.video_paths])
    clip.run(workspace, params, InlineDispatcher())
    if STAGE_OF[defect] == "segment":
        assert reasons("clip") == {}
        segment.run(workspace, params, InlineDispatcher())
    assert set(reasons(STAGE_OF[defect]).values()) == {defect}
    out = workspace.out(STAGE_OF[defect])
    assert not list(out.glob("*/*.mp4")) + list(out.glob("*/*.mkv"))
