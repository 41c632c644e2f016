"""The parts of an evaluation: the splits, as their own films show them, and products put into other products' films."""

from __future__ import annotations

from typing import Literal, get_args

Part = Literal["train", "val", "test", "transfer"]
PARTS: tuple[Part, ...] = get_args(Part)
