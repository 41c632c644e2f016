"""Twice the products take twice the calls and file opens, not four times: so that 50,000 clips take minutes."""

from __future__ import annotations

import cProfile
import pstats

import pytest

from pvtt.dataset.join import join
from pvtt.dataset.looks import look_at
from pvtt.dataset.tables import build_tables
from pvtt.dispatch import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.stages.validate import read_sources
from tests.dataset.build import params
from tests.dataset.many import CLIPS_EACH, add_products

NUM_PRODUCTS = 16


def tables(workspace: Workspace) -> dict[str, int]:
    """Everything that `validate` does before its expectations; returns the rows of each table."""
    sources = read_sources(workspace)
    dataset = join(sources, params())
    looks = look_at(workspace, dataset.entries, InlineDispatcher())
    found = build_tables(workspace, sources, dataset, params().validate_, looks)
    return {name: len(table) for name, table in found.items()}


def calls(workspace: Workspace) -> tuple[int, int, int]:
    """Of functions, of `open`, and of `fsync`, in a run that finds everything in the cache."""
    profile = cProfile.Profile()
    profile.runcall(tables, workspace)
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    counts = {
        name: sum(one[1] for (_, _, called), one in stats.items() if name in called) for name in ("open", "fsync")
    }
    return sum(one[1] for one in stats.values()), counts["open"], counts["fsync"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Workspace]:
    workspaces = Workspace(tmp_path_factory.mktemp("some")), Workspace(tmp_path_factory.mktemp("more"))
    for workspace, times in zip(workspaces, (1, 2), strict=True):
        add_products(workspace, times * NUM_PRODUCTS)
        tables(workspace)
    return workspaces


def test_work_grows_with_the_products_and_no_faster(both: tuple[Workspace, Workspace]) -> None:
    few, many = (calls(workspace) for workspace in both)
    assert few[0] > 1000 * NUM_PRODUCTS, "a run that does nothing would prove nothing"
    for one, other in zip(few, many, strict=True):
        assert other <= 2.1 * one
    assert many[2] <= 8, "what is in the cache already is not written to the disk again"


def test_one_more_product_is_looked_at_alone(
    both: tuple[Workspace, Workspace], capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = both[0]
    before = tables(workspace)
    add_products(workspace, NUM_PRODUCTS + 1)
    after = tables(workspace)
    assert f"validate_looks: 1 of {NUM_PRODUCTS + 1} items were new" in capsys.readouterr().err
    assert after["clips"] == before["clips"] + CLIPS_EACH
