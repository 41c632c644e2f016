"""What a check does where it fails, and how figures are compared."""

from __future__ import annotations

from pvtt.errors import PvttError


def require(condition: bool, check: str, figures: object) -> str:
    """The check's name, where its condition holds.

    Raises:
        PvttError: It does not; says which and with what figures.
    """
    if not condition:
        raise PvttError(
            f"the evaluator does not pass its own check `{check}`: {figures}",
            "no score can be trusted: install the versions of requirements.lock, or report this with your versions",
        )
    return check


def near(value: float | None, expected: float | None, tolerance: float = 1e-6) -> bool:
    """Whether two figures differ by `tolerance` at most; None is only near None."""
    if value is None or expected is None:
        return value is expected
    return value == expected or abs(value - expected) <= tolerance
