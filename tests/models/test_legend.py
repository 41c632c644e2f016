"""The letters of shapes mean the same in every docstring and comment about tensors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pvtt.models

ROOMS = ("encoding", "generation", "models", "training")
# A tuple of at least two sizes, one of them a letter: (B, C, F', h, w), (F, H, W, 3), (B, D, F', h/p, w/p)
SHAPE = re.compile(r"\(((?:[A-Z][a-z]?'?|[hw])(?:/p)?(?:, (?:[A-Z][a-z]?'?|[hw]|[0-9]+)(?:/p)?)+)\)")
LEGEND = re.compile(r"(?:^ {4}|, | {4,})([A-Z][a-z]?'?|[hwp])(?=,| {2,})", re.MULTILINE)


def letters_of(text: str) -> set[str]:
    return {part for shape in SHAPE.findall(text) for part in re.split(r"[,/ ]+", shape) if part and not part.isdigit()}


@pytest.fixture
def legend() -> set[str]:
    return set(LEGEND.findall((pvtt.models.__doc__ or "").partition("same letters")[2]))


def test_a_shape_is_told_from_other_brackets() -> None:
    assert letters_of("(B, F', h/p), of (H, W, 3): see (Wan, 2025)") == {"B", "F'", "h", "p", "H", "W"}
    assert letters_of("(1, 2), (x, y), (a photo, S of it)") == set()


@pytest.mark.parametrize("room", ROOMS)
def test_every_letter_of_a_shape_is_in_the_legend(room: str, legend: set[str], project_root: Path) -> None:
    modules = {path.name: letters_of(path.read_text()) for path in (project_root / "pvtt" / room).rglob("*.py")}
    assert any(modules.values())
    assert {name: letters - legend for name, letters in modules.items() if letters - legend} == {}


def test_the_legend_names_every_letter_once(legend: set[str]) -> None:
    text = (pvtt.models.__doc__ or "").partition("same letters")[2]
    assert sorted(LEGEND.findall(text)) == sorted(legend)
    assert legend >= {"B", "C", "F", "F'", "H", "W", "h", "w", "N", "L", "Dp", "K", "T", "Dt", "V", "S", "D", "P", "p"}
