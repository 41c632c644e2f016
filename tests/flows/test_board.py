"""What a person sees of a run."""

from __future__ import annotations

import io

from flows.board import Board
from pvtt.records.process import ProgressState


def progress(
    done: int, total: int = 48, unit: str = "videos", note: str = "", eta_s: float | None = None
) -> ProgressState:
    return ProgressState(
        stage="clip",
        done=done,
        total=total,
        unit=unit,
        note=note,
        started_at="2025-01-01T00:00:00+00:00",
        elapsed_s=1.0,
        eta_s=eta_s,
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_every_stage_with_bar_count_and_time_left() -> None:
    terminal = Terminal()

    with Board(["clip", "train_stage1"], terminal) as board:
        board.start("clip")
        board.update("clip", progress(done=3, note="JEWE001", eta_s=125.4))
        board.say("clip: something worth a line")
        board.finish("clip", "done", "46 clips")
        board.finish("train_stage1", "up to date")

    shown = terminal.getvalue()
    for text in ("clip", "train_stage1", "3/48 videos", "46 clips", "up to date", "something worth a line", "✓"):
        assert text in shown


def test_elsewhere_each_step_is_a_plain_line() -> None:
    log = io.StringIO()

    with Board(["clip", "train_stage1"], log) as board:
        board.start("clip")
        board.update("clip", progress(done=3))  # too soon for a line
        board.finish("clip", "done", "46 clips")
        board.start("train_stage1")
        board.finish("train_stage1", "failed")

    clip, train = log.getvalue().splitlines()
    assert clip.split() == ["clip", "done", "0", "s", "46", "clips"]
    assert train.split()[:2] == ["train_stage1", "failed"]


def test_a_long_stage_says_how_far_it_is_now_and_then() -> None:
    log = io.StringIO()

    with Board(["train_stage1"], log) as board:
        board.start("train_stage1")
        board._started["train_stage1"] -= 60  # it has been at work for a minute
        for step in (10, 11):
            board.update("train_stage1", progress(done=step, total=400, unit="steps", note="loss 0.41", eta_s=125.4))

    assert log.getvalue().split() == ["train_stage1", "…", "10/400", "steps", "0:02:05", "left", "loss", "0.41"]
