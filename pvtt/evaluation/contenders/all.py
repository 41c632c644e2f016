"""All contenders, in the order of every table; the model first. One more is a file of its own and one line here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pvtt.evaluation.contenders.ceiling import Ceiling
from pvtt.evaluation.contenders.contender import Contender, Setting, Task
from pvtt.evaluation.contenders.inpaint import Inpaint
from pvtt.evaluation.contenders.mean_fill import MeanFill
from pvtt.evaluation.contenders.model import BLANK, CHAMPION, MODEL, REDRAWN, SWAPPED, UNTRAINED, VACE
from pvtt.evaluation.contenders.paste import Paste
from pvtt.media.arrays import Video
from pvtt.records.evaluation import EvaluationMetrics

CONTENDERS: tuple[Contender, ...] = (
    MODEL,
    SWAPPED,
    BLANK,
    CHAMPION,
    REDRAWN,
    UNTRAINED,
    VACE,
    MeanFill(),
    Inpaint(),
    Paste(),
    Ceiling(),
)


def contenders(routes: Sequence[Contender] = ()) -> tuple[Contender, ...]:
    """Those of every run, and the routes that this one asks for; a VACE that is asked for stands for the base's."""
    asked = any(route.name == VACE.name for route in routes)
    return (*(contender for contender in CONTENDERS if not (asked and contender.name == VACE.name)), *routes)


def others(routes: Sequence[Contender] = ()) -> tuple[Contender, ...]:
    """All but the model. Argument as of `contenders`."""
    return tuple(contender for contender in contenders(routes) if contender.name != MODEL.name)


@dataclass(frozen=True)
class Measured(Contender):
    """A route of an evaluation that is done: what its figures are called and mean."""

    name: str
    says: str
    must_be_beaten: bool = False

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        return [None] * len(tasks)


def measured_routes(metrics: EvaluationMetrics) -> tuple[Contender, ...]:
    """The routes that an evaluation's figures are of."""
    return tuple(Measured(one.name, one.says, one.must_be_beaten) for one in metrics.routes)
