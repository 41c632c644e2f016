"""A small ad on disk: two shots of a disc with a text card between them, uneven frame times and a tone; photos of
another product; and a tiny model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pvtt.media.arrays import Frame, MaskVideo, Video
from tests.encoding.samples import tiny_encode_params
from tests.tiny_wan import build_tiny_base, build_tiny_pipeline

WIDTH, HEIGHT = 192, 128
SHOT = 14  # frames
RATE = 20
TICKS = 1000  # of the times, a second
SMALL_CORNER = 96, 62  # of a quarter of the frame, in which the small disc of two is
RED, BLUE = (205, 40, 40), (30, 60, 200)
PARAMS = tiny_encode_params(num_frames=5, width=48, height=32)


def disc_shot(
    backdrop: int, colour: tuple[int, int, int] = RED, num_frames: int = SHOT, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> tuple[Video, MaskVideo]:
    """A lit disc that moves right over a plain backdrop, and its masks of 0 and 255."""
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = 0.24 * min(size)
    frames, masks = [], []
    for index in range(num_frames):
        centre = 0.4 * width + index, 0.52 * height
        distance = np.hypot(x - centre[0], y - centre[1])
        frame = np.full((height, width, 3), backdrop, np.float32) * (0.9 + 0.2 * y / height)[..., None]
        light = np.clip(
            1.25 - np.hypot(x - centre[0] + radius / 3, y - centre[1] + radius / 3) / radius * 0.5, 0.4, 1.2
        )
        stripes = np.where((y // 5 % 3 == 0)[..., None], 255 - np.array(colour), np.array(colour))
        inside = np.clip(radius - distance + 0.5, 0, 1)[..., None]
        frames.append(np.clip(frame * (1 - inside) + stripes * light[..., None] * inside, 0, 255).astype(np.uint8))
        masks.append(np.where(distance < radius, np.uint8(255), np.uint8(0)))
    return np.stack(frames), np.stack(masks)


def two_products_shot() -> Video:
    """A large red disc on the left and a small blue one on the right, both moving right over a plain backdrop."""
    frames, _ = disc_shot(215)
    small, masks = disc_shot(215, BLUE, size=(WIDTH // 2, HEIGHT // 2))
    frames = frames.copy()
    left, top = SMALL_CORNER
    for frame, disc, mask in zip(frames, small, masks, strict=True):
        room = frame[top : top + HEIGHT // 2, left : left + WIDTH // 2]
        room[mask > 0] = disc[mask > 0]
    return frames


def text_card(num_frames: int = SHOT) -> Video:
    """Thin words on a dark ground: no product."""
    card = np.full((HEIGHT, WIDTH, 3), 25, np.uint8)
    for line, text in enumerate(("NEW", "in all shops", "from today")):
        cv2.putText(card, text, (8, 30 + 38 * line), cv2.FONT_HERSHEY_PLAIN, 1.0, (90, 90, 90), 1, cv2.LINE_AA)
    return np.repeat(card[None], num_frames, axis=0)


def uneven_times(num_frames: int) -> list[int]:
    """Milliseconds of frames that are 30, 50 and 70 ms on screen, in turns."""
    return [sum((30, 50, 70)[place % 3] for place in range(index)) for index in range(num_frames)]


def write_film(
    path: Path,
    frames: Sequence[Frame] | Video,
    times: Sequence[int] | None = None,
    sound: bool = True,
    rotation: int = 0,
    samples: npt.NDArray[np.float32] | None = None,
) -> Path:
    """Write frames, with these times in milliseconds and a tone of 440 Hz, or other samples, 44,100 a second."""
    times = list(times) if times is not None else [index * TICKS // RATE for index in range(len(frames))]
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=RATE)
        pictures.height, pictures.width = frames[0].shape[:2]
        pictures.pix_fmt = "yuv420p"
        pictures.codec_context.time_base = Fraction(1, TICKS)
        pictures.codec_context.options = {"crf": "10", "preset": "superfast"}
        if rotation:
            pictures.set_display_rotation(rotation)
        tone = container.add_stream("aac", rate=44100) if sound else None
        for frame, time in zip(frames, times, strict=True):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, TICKS)
            container.mux(pictures.encode(picture))
        container.mux(pictures.encode(None))
        if tone is not None:
            _write_sound(container, tone, _tone((times[-1] + TICKS // RATE) / TICKS) if samples is None else samples)
    return path


def _tone(seconds: float) -> npt.NDArray[np.float32]:
    return 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * 44100)) / 44100).astype(np.float32)


def _write_sound(
    container: av.container.OutputContainer, tone: av.AudioStream, samples: npt.NDArray[np.float32]
) -> None:
    for first in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, first : first + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, first
        container.mux(tone.encode(frame))
    container.mux(tone.encode(None))


def write_template(path: Path) -> Path:
    """A disc, a text card, the disc again before another backdrop."""
    frames = np.concatenate([disc_shot(215)[0], text_card(), disc_shot(120)[0]])
    return write_film(path, frames, uneven_times(len(frames)))


def write_wavpack_film(path: Path) -> Path:
    """A .mkv of one shot, with sound that no .mp4 holds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 192, 128, "yuv420p"
        sound = container.add_stream("wavpack", rate=44100)
        sound.codec_context.format, sound.codec_context.layout = "s16p", "mono"
        for frame in disc_shot(200)[0]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 30000), np.int16), format="s16p", layout="mono")
        tone.sample_rate = 44100
        container.mux(sound.encode(tone))
        container.mux(sound.encode(None))
    return path


@contextmanager
def working_in(folder: Path) -> Iterator[Path]:
    """As a person who is in a folder outside any workspace, with a cache of their own there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PVTT_CACHE_DIR", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.chdir(folder)
        yield folder


def write_photos(folder: Path, cut_out: bool = True, colour: tuple[int, int, int] = BLUE) -> list[Path]:
    """Two photos of a box; not cut out, it stands before a light backdrop, and reading them takes a second."""
    paths = []
    for number, half in enumerate(((40, 60), (36, 62))):
        photo = np.full((200, 200, 4), (225, 225, 225, 0 if cut_out else 255), np.uint8)
        corners = (100 - half[0], 100 - half[1]), (100 + half[0], 100 + half[1])
        cv2.rectangle(photo, *corners, (*colour[::-1], 255), -1)
        cv2.rectangle(photo, (corners[0][0], 90), (corners[1][0], 110), (60, 210, 230, 255), -1)
        paths.append(folder / f"photo-{number}.png")
        cv2.imwrite(str(paths[-1]), photo if cut_out else photo[..., :3])
    return paths


def write_short_template(path: Path, backdrop: int) -> Path:
    """One shot of a disc."""
    return write_film(path, disc_shot(backdrop)[0])


def write_product(folder: Path, colour: tuple[int, int, int], prompt: str | None = None) -> Path:
    """A folder of a batch's product: two photos, and a prompt where one is given."""
    folder.mkdir(parents=True)
    write_photos(folder, colour=colour)
    if prompt is not None:
        (folder / "prompt.txt").write_text(prompt + "\n")
    return folder


def write_model(folder: Path) -> Path:
    """A tiny model for windows of 5 frames, 48×32, with the params of its training beside it; returns its folder."""
    pipeline = build_tiny_pipeline(build_tiny_base(folder / "base"), PARAMS)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder / "model")
    (folder / "model" / "training").mkdir()
    text = "encode:\n  num_frames: 5\nevaluate:\n  num_steps: 2\n  product_guidance: 1.5\n"
    (folder / "model" / "training" / "params.yaml").write_text(text)
    return folder / "model"


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """Times in seconds and contents of a film's packets, in order of time."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        read = [packet for packet in container.demux(stream) if packet.pts is not None]
        return sorted((Fraction(packet.pts * packet.time_base), bytes(packet)) for packet in read)


def noise(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Pixels of no meaning."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def swinging() -> npt.NDArray[np.bool_]:
    """A product that goes to and fro across the frame, (81, 60, 200), so that one crop cannot follow it."""
    product = np.zeros((81, 60, 200), np.bool_)
    for index in range(81):
        left = round(85 + 80 * np.sin(index / 80 * 6 * np.pi))
        product[index, 20:40, left : left + 20] = True
    return product
