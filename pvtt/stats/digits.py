"""Figures with as few digits as tell them apart: what is not equal must not look so."""

from __future__ import annotations

MOST = 17  # significant digits, with which no two floats look alike


def apart(one: float, other: float, digits: int = 3) -> tuple[str, str]:
    """Both figures with as many significant digits as tell them apart.

    Args:
        one: A figure.
        other: What it is held against.
        digits: Significant digits, at least.
    """
    while one != other and digits < MOST and f"{one:.{digits}g}" == f"{other:.{digits}g}":
        digits += 1
    return f"{one:.{digits}g}", f"{other:.{digits}g}"
