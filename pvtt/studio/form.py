"""The page's fields ↔ the settings of an ad."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pvtt.errors import PvttError
from pvtt.generation.ad.settings import AdSettings, chosen_settings

WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)


@dataclass(frozen=True)
class Form:
    """What the fields hold, as they were typed; what is empty is left to the model.

    Args:
        prompt: The new product in words.
        shots: Numbers of the shots to generate in; none: those that show the product which is shown longest.
        place: Where the old product is in the first frame of each of `shots`: x,y of a point on it, or x,y,width,height
            of a box around it, in pixels; empty: it is looked for.
        aspect: Width to height of the ad, such as 9:16; empty: the template's.
        seed: Another seed, another take; empty: 0.
        steps, guidance, text_guidance, strength: Of the sampler.
        frames: Of a window, 4n+1.
        label: A text on every frame; empty: there is none.
    """

    prompt: str = ""
    shots: Sequence[int | str] = ()
    place: str = ""
    aspect: str = ""
    seed: str = ""
    steps: str = ""
    guidance: str = ""
    text_guidance: str = ""
    strength: str = ""
    frames: str = ""
    label: str = ""


def settings_of(form: Form) -> AdSettings:
    """The settings that a form's fields say; its label is none of them. Raises `PvttError` for what is no setting."""
    box, point = _place(form.place)
    shots = sorted({int(shot) for shot in form.shots})
    if not shots and (box is not None or point is not None):
        shots = [1]  # as `generate` takes it
    return chosen_settings(
        prompt=form.prompt,
        seed=_whole("the seed", form.seed) or 0,
        steps=_whole("steps", form.steps),
        product_guidance=_number("the photos' guidance", form.guidance),
        text_guidance=_number("the prompt's guidance", form.text_guidance),
        strength=_number("the strength", form.strength),
        frames=_whole("frames a window", form.frames),
        shots=tuple(shots) or None,
        box=box,
        point=point,
        aspect=form.aspect.strip() or None,
    )


def form_of(settings: AdSettings, label: str | None = None) -> Form:
    """The form that says these settings: `settings_of` gives them back."""
    place = settings.box or settings.point or ()
    return Form(
        prompt=settings.prompt,
        shots=[str(shot) for shot in settings.shots or ()],
        place=",".join(map(str, place)),
        aspect=settings.aspect or "",
        seed=_text(settings.seed),
        steps=_text(settings.steps),
        guidance=_text(settings.product_guidance),
        text_guidance=_text(settings.text_guidance),
        strength=_text(settings.strength),
        frames=_text(settings.frames),
        label=label or "",
    )


def _text(value: float | None) -> str:
    return "" if value is None else str(value)


def _place(text: str) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
    """A box and no point, a point and no box, or neither."""
    if not text.strip():
        return None, None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 4) or not all(WHOLE.fullmatch(part) for part in parts):
        raise PvttError(
            f"{text!r} is no place in a frame",
            "draw a box, click on the product, or give x,y or x,y,width,height in pixels; empty: it is looked for",
        )
    numbers = tuple(map(int, parts))
    return (numbers, None) if len(numbers) == 4 else (None, numbers)


def _number(name: str, text: str) -> float | None:
    if not text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise PvttError(f"{name}: {text!r} is no number", "give a number, or leave it empty")
    return number


def _whole(name: str, text: str) -> int | None:
    if not text.strip():
        return None
    if not WHOLE.fullmatch(text.strip()):
        raise PvttError(f"{name}: {text!r} is no whole number", "give a whole number, or leave it empty")
    return int(text)
