"""All checks, in the order in which they run."""

from __future__ import annotations

from pvtt.evaluation.certification import compositing, figures, likeness, networks, regions, summaries
from pvtt.evaluation.certification.drawn import drawn_scene
from pvtt.evaluation.metrics.metric import Networks


def certify(there: Networks | None = None) -> tuple[str, ...]:
    """Run all checks.

    Args:
        there: The networks that measure; those that are there are checked too, beside those whose answers are known.

    Returns:
        The names of the checks that passed: all of them.

    Raises:
        PvttError: One failed; says which and with what figures.
    """
    scene = drawn_scene()
    return (
        *compositing.checks(scene),
        *summaries.checks(scene.networks),
        *likeness.checks(scene),
        *figures.checks(scene),
        *regions.checks(scene),
        *networks.checks(scene, there or Networks()),
    )
