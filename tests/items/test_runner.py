"""The item cache: what is done is reused, what is off-spec or broken is recorded, and no bad item ends a run."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pvtt.dispatch import InlineDispatcher, LocalDispatcher
from pvtt.errors import FailureBudgetError, PvttError, StorageError
from pvtt.files.workspace import Workspace
from pvtt.items.dispatcher import Dispatcher, EnvironmentFaultError
from pvtt.items.runner import Item, ItemRejectedError, Outcome, materialise, run_items
from pvtt.records.base import Record


class Number(Record):
    value: int


class Settings(Record):
    factor: int = 2


class Product(Record):
    value: int
    file: str


def multiply(number: Number, directory: Path, settings: Settings) -> Product:
    """Fails on 13, is off-spec below 0, dies from 90 on, fills the disk on 28, lacks a package on 31."""
    if number.value == 13:
        raise ValueError("13 cannot be multiplied\nsecond line")
    if number.value == 14:
        raise PvttError("14 has no codec", "convert it")
    if number.value == 28:
        Path("/dev/full").write_bytes(bytes(10))
    if number.value == 31:
        importlib.import_module("a_package_that_is_not_here")
    if number.value >= 90:
        os._exit(9)
    (directory / "out.txt").write_text(str(number.value * settings.factor))
    if number.value < 0:
        raise ItemRejectedError("negative", f"{number.value} is below 0")
    return Product(value=number.value * settings.factor, file="out.txt")


def numbers(*values: int) -> list[Item[Number]]:
    return [Item(f"N{value}", Number(value=value), (str(value),), product_id=f"P{abs(value)}") for value in values]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def run(
    workspace: Workspace,
    items: Sequence[Item[Number]],
    settings: Settings | None = None,
    dispatcher: Dispatcher | None = None,
    work: Callable[[Number, Path, Settings], Product] = multiply,
) -> Outcome[Product]:
    return run_items("double", items, work, settings or Settings(), workspace, dispatcher or InlineDispatcher())


def test_results_come_in_the_items_order_with_their_files(workspace: Workspace) -> None:
    outcome = run(workspace, numbers(3, 1, 2))
    assert [done.record.value for done in outcome.done] == [6, 2, 4]
    assert [(done.directory / "out.txt").read_text() for done in outcome.done] == ["6", "2", "4"]
    assert (outcome.num_computed, outcome.num_cached) == (3, 0)


def test_one_more_item_costs_one_items_work(workspace: Workspace) -> None:
    run(workspace, numbers(1, 2, -1))
    outcome = run(workspace, numbers(1, 2, -1, 3))
    assert (outcome.num_computed, outcome.num_cached) == (1, 3)


def test_other_params_or_inputs_are_other_work_and_the_old_results_stay(workspace: Workspace) -> None:
    run(workspace, numbers(1))
    assert run(workspace, numbers(1), Settings(factor=3)).done[0].record.value == 3
    assert run(workspace, [Item("N1", Number(value=1), ("other",))]).num_computed == 1
    assert run(workspace, numbers(1)).num_cached == 1


def test_an_off_spec_item_is_recorded_cached_and_no_failure(workspace: Workspace) -> None:
    for num_computed in (1, 0):
        outcome = run(workspace, numbers(-4))
        (reject,) = outcome.rejects
        assert (reject.item, reject.product_id, reject.reason, reject.failed) == ("N-4", "P4", "negative", False)
        assert outcome.num_computed == num_computed
        outcome.enforce_budget("double", 0.0)
    assert not list(workspace.cache.rglob("out.txt"))  # what a rejected item wrote is not kept


def test_a_failing_item_is_recorded_tried_again_and_ends_nothing(workspace: Workspace) -> None:
    for num_computed in (2, 1):
        outcome = run(workspace, numbers(13, 1))
        (reject,) = outcome.rejects
        assert reject.failed
        assert reject.message.startswith("13 cannot be multiplied (ValueError at test_runner.py:")
        assert [done.name for done in outcome.done] == ["N1"]
        assert outcome.num_computed == num_computed


def test_an_error_for_a_person_is_recorded_with_its_next_step(workspace: Workspace) -> None:
    (reject,) = run(workspace, numbers(14)).rejects
    assert reject.message == "14 has no codec (convert it)"


def test_past_the_failure_budget_the_items_and_reasons_are_named(workspace: Workspace) -> None:
    outcome = run(workspace, numbers(13, 1, 2, 3))
    outcome.enforce_budget("double", 0.25)
    with pytest.raises(FailureBudgetError, match=r"1 of 4 items failed.*N13: error: 13 cannot") as caught:
        outcome.enforce_budget("double", 0.2)
    assert "outs/double/rejects.jsonl" in str(caught.value.hint)


def test_a_full_disk_ends_the_run(workspace: Workspace) -> None:
    with pytest.raises(StorageError):
        run(workspace, numbers(1, 28, 2))
    assert run(workspace, numbers(1)).num_cached == 1


def test_an_item_that_kills_its_worker_is_found_and_the_others_are_done(workspace: Workspace) -> None:
    outcome = run(workspace, numbers(1, 99, 2, 3), dispatcher=LocalDispatcher(2))
    assert [done.name for done in outcome.done] == ["N1", "N2", "N3"]
    (reject,) = outcome.rejects
    assert (reject.item, reject.reason, reject.failed) == ("N99", "crashed", True)


class Counting(LocalDispatcher):
    """Notes the number of items of each shard of each round."""

    rounds: tuple[list[int], ...] = ()

    def map(self, function: Any, arguments: Any, *, name: str) -> Any:
        self.rounds += ([len(shard.items) for shard in arguments],)
        return super().map(function, arguments, name=name)


def test_items_that_kill_their_workers_are_found_in_few_rounds(workspace: Workspace) -> None:
    dispatcher = Counting(2)
    outcome = run(workspace, numbers(0, 1, 99, 2, 3, 98, 4, 5), dispatcher=dispatcher)
    assert [done.name for done in outcome.done] == [f"N{value}" for value in range(6)]
    assert [reject.item for reject in outcome.rejects] == ["N99", "N98"]
    assert dispatcher.rounds == ([4, 4], [1, 1, 3])  # each was at work when its worker ended; alone it ends another


def test_workers_that_die_whatever_they_work_on_stop_the_stage(workspace: Workspace) -> None:
    dispatcher = Counting(2)
    with pytest.raises(EnvironmentFaultError, match="3 items ended their workers and none is through"):
        run(workspace, numbers(*range(90, 96)), dispatcher=dispatcher)
    assert len(dispatcher.rounds) == 3


def test_a_missing_package_is_no_item_s_failure(workspace: Workspace) -> None:
    with pytest.raises(EnvironmentFaultError, match="No module named 'a_package_that_is_not_here'"):
        run(workspace, numbers(1, 31, 2))
    assert run(workspace, numbers(1, 2)).num_cached == 1


def test_more_workers_give_the_same_results(workspace: Workspace, tmp_path: Path) -> None:
    inline = run(workspace, numbers(*range(5)))
    spread = run(Workspace(tmp_path / "other"), numbers(*range(5)), dispatcher=LocalDispatcher(2))
    assert [done.record for done in inline.done] == [done.record for done in spread.done]
    assert [done.directory.name for done in inline.done] == [done.directory.name for done in spread.done]


def test_progress_is_left_for_the_flow(workspace: Workspace) -> None:
    run(workspace, numbers(1, 2, 3))
    state = json.loads((workspace.progress / "double.json").read_text())
    assert (state["stage"], state["done"], state["total"], state["unit"]) == ("double", 3, 3, "items")


def test_names_must_be_unique(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="not unique"):
        run(workspace, numbers(1, 1))


def test_outs_are_links_into_the_cache_that_a_slip_cannot_change(workspace: Workspace) -> None:
    (done,) = run(workspace, numbers(1)).done
    out = workspace.out("double") / "sub" / "a.txt"
    materialise(done.directory / "out.txt", out)
    materialise(done.directory / "out.txt", out)  # again over an old one
    assert out.stat().st_ino == (done.directory / "out.txt").stat().st_ino
    assert out.stat().st_mode & 0o222 == 0


def test_the_cache_can_be_elsewhere(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVTT_CACHE_DIR", str(tmp_path / "shared"))
    run(workspace, numbers(1))
    assert run(Workspace(tmp_path / "another"), numbers(1)).num_cached == 1
