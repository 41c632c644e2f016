"""What is still to be read and heard of the old product, by the real libraries."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

import pvtt
from pvtt.generation.ad import leftovers, reading
from pvtt.generation.ad.leftovers import NO_EXTRA, LeftoverCheck, Leftovers, looks_of, says_the_same
from pvtt.generation.ad.reading import Seen, hear_speech
from pvtt.generation.ad.template import ShotSpan
from pvtt.media.arrays import Frame, FrameRegion
from tests.generation.ad.films import disc_shot, noise, write_film, write_model, write_photos

REASON = "needs the extra `leftovers`"
RATE = 44_100
ADDRESS = "https://nova.example/ring"


def write(frame: Frame, text: str, place: tuple[int, int], size: float = 0.9) -> None:
    cv2.putText(frame, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (30, 30, 60), 2, cv2.LINE_AA)


def draw_code(frame: Frame, content: str, place: tuple[int, int]) -> None:
    zxingcpp = pytest.importorskip("zxingcpp", reason=REASON)
    code = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.QRCode)
    drawn = np.array(zxingcpp.write_barcode_to_image(code, scale=3))
    frame[place[1] : place[1] + drawn.shape[0], place[0] : place[0] + drawn.shape[1]] = drawn[..., None]


def old_and_new() -> tuple[Frame, FrameRegion, Frame]:
    """A frame whose left half is the product's, and the same with that half empty."""
    old = np.full((270, 480, 3), 225, np.uint8)
    write(old, "NOVA GOLD", (20, 60))
    write(old, "by Nova", (300, 60))
    write(old, "from today", (300, 240))
    draw_code(old, ADDRESS, (40, 110))
    draw_code(old, ADDRESS, (330, 100))
    region = np.zeros((270, 480), np.bool_)
    region[:, :240] = True
    new = old.copy()
    new[region] = 200
    return old, region, new


def drawn_speech(seconds: float = 0.1) -> npt.NDArray[np.float32]:
    """Six vowels of a voice that rises and falls, between silences: pulses through three resonances each."""
    formants = {"a": (750, 1200, 2500), "e": (480, 1900, 2500), "o": (500, 900, 2400)}
    rng, phase, parts = np.random.default_rng(0), 0.0, [np.zeros(RATE // 2)]
    for number, vowel in enumerate("aeoaeo"):
        time = np.arange(round(seconds * RATE)) / RATE
        pitch = 120 * (1 + 0.15 * np.sin(2.6 * np.pi * (time + number * seconds))) * (1 - 0.02 * number)
        phases = phase + np.cumsum(pitch) / RATE
        phase = float(phases[-1])
        pulses = np.diff(np.floor(phases), prepend=np.floor(phases[0])) + 0.01 * rng.normal(size=len(time))
        spectrum, at = np.fft.rfft(pulses, 2 * len(time)), np.fft.rfftfreq(2 * len(time), 1 / RATE)
        gains = [
            share / (1 + ((at - middle) / (60 + 0.05 * middle)) ** 2)
            for middle, share in zip(formants[vowel], (1, 0.6, 0.3), strict=True)
        ]
        voiced = np.fft.irfft(spectrum * sum(gains))[: len(time)]
        parts += [voiced * np.minimum(1, np.minimum(time / 0.03, (seconds - time) / 0.05)), np.zeros(RATE // 50)]
    samples = np.concatenate([*parts, np.zeros(RATE // 2)])
    return np.asarray(0.5 * samples / np.abs(samples).max(), np.float32)


def test_what_is_read_on_the_old_product_and_elsewhere_too_is_left_over() -> None:
    pytest.importorskip("rapidocr", reason=REASON)
    old, region, new = old_and_new()
    collected = Leftovers()
    collected.look(1, 0.5, old, region, new, region)
    collected.look(1, 0.9, old, region, new, region)
    empty = np.full_like(old, 120)
    write(empty, "Nova", (40, 100))
    collected.look(2, 1.5, empty, np.zeros_like(region), empty, np.zeros_like(region))
    check = collected.check(Path("none.mp4"))
    found = [(one.kind, one.content.casefold(), one.begin_s, one.end_s) for one in check.found]
    assert found == [("code", ADDRESS, 0.5, 0.9), ("text", "by nova", 0.5, 0.9), ("text", "nova", 1.5, 1.5)]
    assert "0.50-0.90 s: the text 'by Nova' was on the old product" in check.warnings[1]


def test_what_is_on_the_product_alone_is_not_left_over() -> None:
    pytest.importorskip("rapidocr", reason=REASON)
    old, region, new = old_and_new()
    new[:, 240:] = old[:, 240:] = 225
    collected = Leftovers()
    collected.look(1, 0.5, old, region, new, region)
    assert collected.check(Path("none.mp4")).found == ()


def test_speech_is_heard_and_noise_a_tone_and_silence_are_none(tmp_path: Path) -> None:
    pytest.importorskip("silero_vad", reason=REASON)
    threads = torch.get_num_threads()
    sounds = {"speech": drawn_speech(), "tone": None, "noise": noise((RATE,)).astype(np.float32) / 1000}
    heard = {}
    for name, samples in sounds.items():
        film = write_film(tmp_path / f"{name}.mp4", disc_shot(200, num_frames=20)[0], samples=samples)
        heard[name] = hear_speech(film)
    ((begin, end),) = heard.pop("speech")
    assert 0.4 < begin < end < 1.4
    assert end - begin > 0.25
    assert list(heard.values()) == [[], []]
    silent = write_film(tmp_path / "silent.mp4", disc_shot(200)[0], sound=False)
    assert hear_speech(silent) == []
    assert torch.get_num_threads() == threads  # importing silero_vad sets it


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("NOVA GOLD", "by Nova", True),
        ("NOVA", "NOUA", False),
        ("NOVELLE", "N0VELLE", True),  # a letter read wrongly
        ("nova", "www.novashop.example", True),
        ("of 18", "of 24", False),
        ("美人鱼", "来自美人鱼的新品", True),
        ("鱼", "鱼", False),
    ],
)
def test_texts_share_a_word(one: str, other: str, same: bool) -> None:
    assert says_the_same(Seen("text", one, (0, 0)), Seen("text", other, (0, 0))) is same
    assert not says_the_same(Seen("text", one, (0, 0)), Seen("code", one, (0, 0)))


def test_a_frame_a_second_of_a_shot_is_looked_at_but_three_at_least() -> None:
    assert looks_of(ShotSpan(1, 0, 14), Fraction(20)) == {2, 6, 11}
    assert len(looks_of(ShotSpan(1, 0, 120), Fraction(24))) == 5
    assert len(looks_of(ShotSpan(1, 0, 24 * 60), Fraction(24))) == 12
    assert looks_of(ShotSpan(1, 0, 1), Fraction(24)) == {0}


def test_without_the_extra_nothing_fails_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for load in (reading._reader, reading._listener):
        load.cache_clear()
    for name in ("rapidocr", "zxingcpp", "silero_vad.sequence_vad"):
        monkeypatch.setitem(sys.modules, name, None)
    collected = Leftovers()
    frame, region = np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), np.bool_)
    collected.look(1, 0.5, frame, region, frame, region)
    assert collected.check(Path("none.mp4")) == LeftoverCheck(
        not_checked={"code": NO_EXTRA, "speech": NO_EXTRA, "text": NO_EXTRA}
    )


def test_a_library_that_fails_does_not_fail_the_film(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(frame: Frame) -> list[Seen]:
        raise RuntimeError("no memory\nfor this")

    monkeypatch.setattr(leftovers, "read_texts", fail)
    monkeypatch.setattr(leftovers, "read_codes", lambda frame: [])
    monkeypatch.setattr(leftovers, "hear_speech", lambda film: [])
    collected = Leftovers()
    frame, region = np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), np.bool_)
    collected.look(1, 0.5, frame, region, frame, region)
    assert collected.check(Path("none.mp4")).not_checked == {"text": "RuntimeError: no memory"}


def test_an_ad_says_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidocr", reason=REASON)
    monkeypatch.setenv("PVTT_CACHE_DIR", str(tmp_path / "cache"))
    frames = disc_shot(215, num_frames=10, size=(384, 256))[0].copy()
    for index, frame in enumerate(frames):
        centre = round(0.4 * 384) + index, round(0.52 * 256)
        cv2.rectangle(frame, (centre[0] - 46, centre[1] - 16), (centre[0] + 46, centre[1] + 16), (235, 235, 235), -1)
        write(frame, "NOVA", (centre[0] - 38, centre[1] + 10))
    card = np.full_like(frames, 60)
    for frame in card:
        cv2.putText(frame, "Nova in all shops", (60, 140), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (230, 230, 230), 2)
    film = write_film(tmp_path / "ad.mp4", np.concatenate([frames, card]), samples=drawn_speech())
    record = pvtt.generate(
        film, write_photos(tmp_path), tmp_path / "new.mp4", model=write_model(tmp_path), shots=[1], compare=False
    )
    assert record.leftovers is not None
    assert record.leftovers.not_checked == {}
    (text,) = [one for one in record.leftovers.found if one.kind == "text"]
    assert text.content.casefold() == "nova in all shops"
    assert 0.5 < text.begin_s < text.end_s < 1
    assert [one.kind for one in record.leftovers.found if one.kind != "text"] == ["speech"]
