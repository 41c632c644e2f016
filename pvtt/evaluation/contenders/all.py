"""All contenders, in the order of every table; the model first. One more is a file of its own and one line here."""

from __future__ import annotations

from pvtt.evaluation.contenders.ceiling import Ceiling
from pvtt.evaluation.contenders.contender import Contender
from pvtt.evaluation.contenders.inpaint import Inpaint
from pvtt.evaluation.contenders.mean_fill import MeanFill
from pvtt.evaluation.contenders.model import BLANK, CHAMPION, MODEL, REDRAWN, SWAPPED, UNTRAINED, VACE
from pvtt.evaluation.contenders.paste import Paste

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


def others() -> tuple[Contender, ...]:
    """All but the model."""
    return tuple(contender for contender in CONTENDERS if contender.name != MODEL.name)
