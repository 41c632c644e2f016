"""The page's fields and the settings of an ad say the same."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvtt.errors import PvttError
from pvtt.generation.ad.job import generate
from pvtt.generation.ad.settings import AdSettings
from pvtt.studio.form import Form, form_of, settings_of

WHOLE = st.integers(0, 10_000)
SETTINGS = st.builds(
    AdSettings,
    prompt=st.text(max_size=40),
    seed=st.integers(0, 2**31),
    steps=st.none() | st.integers(1, 100),
    product_guidance=st.none() | st.floats(0, 20),
    text_guidance=st.none() | st.floats(0, 20),
    strength=st.none() | st.floats(0.01, 1),
    frames=st.none() | st.integers(1, 30).map(lambda n: 4 * n + 1),
    shots=st.none() | st.sets(st.integers(1, 60), min_size=1).map(lambda shots: tuple(sorted(shots))),
    aspect=st.none() | st.sampled_from(["9:16", "1:1", "2.39:1"]),
)


@given(SETTINGS, st.none() | st.tuples(WHOLE, WHOLE, WHOLE, WHOLE), st.none() | st.tuples(WHOLE, WHOLE))
def test_settings_that_are_read_back_are_the_same(
    settings: AdSettings, box: tuple[int, int, int, int] | None, point: tuple[int, int] | None
) -> None:
    place = {"box": box} if box is not None else {"point": point}
    if any(place.values()) and settings.shots is None:
        place["shots"] = (1,)  # as `generate` takes it
    settings = settings.model_copy(update=place)
    assert settings_of(form_of(settings)) == settings


def test_generate_has_an_argument_for_each_setting() -> None:
    arguments = AdSettings(product_guidance=2.5, text_guidance=3.5).arguments
    assert set(arguments) <= set(inspect.signature(generate).parameters)
    assert len(arguments) == len(AdSettings.model_fields)
    assert (arguments["guidance"], arguments["text_guidance"]) == (2.5, 3.5)


def test_empty_fields_leave_all_to_the_model() -> None:
    assert settings_of(Form()) == AdSettings()
    assert settings_of(Form(aspect=" ", place="  ", seed="", steps=" ")) == AdSettings()


def test_a_place_is_a_box_or_a_point() -> None:
    assert settings_of(Form(place=" 3, 4,50 ,60", shots=["3", "2"])) == AdSettings(box=(3, 4, 50, 60), shots=(2, 3))
    assert settings_of(Form(place="3,4")) == AdSettings(point=(3, 4), shots=(1,))


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (Form(place="3,4,5"), "no place in a frame"),
        (Form(place="here"), "no place in a frame"),
        (Form(place="1,2,3,1e9"), "no place in a frame"),
        (Form(aspect="wide"), "no ratio"),
        (Form(frames="6"), "4n\\+1"),
        (Form(steps="0"), "steps"),
        (Form(steps="2.5"), "no whole number"),
        (Form(seed="-1"), "seed"),
        (Form(strength="nan"), "no number"),
        (Form(strength="1.5"), "strength"),
        (Form(guidance="much"), "the photos' guidance: 'much' is no number"),
    ],
)
def test_what_is_no_setting_is_said(form: Form, says: str) -> None:
    with pytest.raises(PvttError, match=says):
        settings_of(form)
