"""Figures that are not equal never look equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pvtt.stats.digits import apart

FIGURES = st.floats(allow_nan=False, allow_infinity=False)


def test_as_few_digits_as_tell_them_apart() -> None:
    assert apart(14.06, 13.8) == ("14.1", "13.8")
    assert apart(13.5213, 13.5198) == ("13.521", "13.52")
    assert apart(24.96, 25.0) == ("24.96", "25")
    assert apart(14.0, 14.0) == ("14", "14")


@given(one=FIGURES, other=FIGURES, digits=st.integers(1, 6))
def test_they_look_alike_only_where_they_are_equal(one: float, other: float, digits: int) -> None:
    shown = apart(one, other, digits)
    assert (shown[0] == shown[1]) == (one == other) or {one, other} == {0.0}
