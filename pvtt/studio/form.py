"""The page's fields ↔ the settings of an ad."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pvtt.errors import PvttError
from pvtt.generation.ad.settings import AdSettings, chosen_settings

WHOLE = re.compile(r"[+-]?\d{1,9}")


@dataclass(frozen=True)
class Form:
    """What the fields hold, as the page has it: an empty field is None or an empty text.

    Args:
        prompt: The new product in words.
        shots: Numbers of the shots to generate in; none: those that show the product which is shown longest.
        place: Where the old product is in the first frame of each of `shots`: x,y of a point on it, or x,y,width,height
            of a box around it, in pixels; empty: it is looked for.
        aspect: Width to height of the ad, such as 9:16; empty: the template's.
        seed: Another seed, another take.
        steps, guidance, text_guidance, strength: Of the sampler.
        frames: Of a window, 4n+1.
        label: A text on every frame; empty: there is none.
    """

    prompt: str = ""
    shots: Sequence[int | str] = ()
    place: str = ""
    aspect: str | None = ""
    seed: float | None = 0
    steps: float | None = None
    guidance: float | None = None
    text_guidance: float | None = None
    strength: float | None = None
    frames: float | None = None
    label: str = ""


def settings_of(form: Form) -> AdSettings:
    """The settings that a form's fields say; its label is none of them. Raises `PvttError` for what is no setting."""
    box, point = _place(form.place)
    shots = sorted({int(shot) for shot in form.shots})
    if not shots and (box is not None or point is not None):
        shots = [1]  # as `generate` takes it
    return chosen_settings(
        prompt=form.prompt or "",
        seed=_whole("the seed", form.seed) or 0,
        steps=_whole("steps", form.steps),
        product_guidance=_number("the photos' guidance", form.guidance),
        text_guidance=_number("the prompt's guidance", form.text_guidance),
        strength=_number("the strength", form.strength),
        frames=_whole("frames a window", form.frames),
        shots=tuple(shots) or None,
        box=box,
        point=point,
        aspect=(form.aspect or "").strip() or None,
    )


def form_of(settings: AdSettings, label: str | None = None) -> Form:
    """The form that says these settings: `settings_of` gives them back."""
    place = settings.box or settings.point or ()
    return Form(
        prompt=settings.prompt,
        shots=[str(shot) for shot in settings.shots or ()],
        place=",".join(map(str, place)),
        aspect=settings.aspect or "",
        seed=settings.seed,
        steps=settings.steps,
        guidance=settings.product_guidance,
        text_guidance=settings.text_guidance,
        strength=settings.strength,
        frames=settings.frames,
        label=label or "",
    )


def _place(text: str | None) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
    """A box and no point, a point and no box, or neither."""
    if not (text or "").strip():
        return None, None
    parts = [part.strip() for part in str(text).split(",")]
    if len(parts) not in (2, 4) or not all(WHOLE.fullmatch(part) for part in parts):
        raise PvttError(
            f"{text!r} is no place in a frame",
            "draw a box, click on the product, or give x,y or x,y,width,height in pixels; empty: it is looked for",
        )
    numbers = tuple(map(int, parts))
    return (numbers, None) if len(numbers) == 4 else (None, numbers)


def _number(name: str, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise PvttError(f"{name}: {value} is no number", "empty takes what the model was measured with")
    return None if value is None else float(value)


def _whole(name: str, value: float | None) -> int | None:
    number = _number(name, value)
    if number is not None and number != int(number):
        raise PvttError(f"{name}: {number:g} is no whole number", "give a whole number, or leave it empty")
    return None if number is None else int(number)
