"""Renders a film and writes it with its music, the same bytes each time on one machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pvtt.builtin.shop.catalog import FPS, Film
from pvtt.builtin.shop.render import Renderer, outline
from pvtt.builtin.shop.scenes import framed
from pvtt.files.atomic import scratch_directory
from pvtt.files.storage import named_errors
from pvtt.media.arrays import Frame, MaskVideo, Video
from pvtt.media.video import StreamWriter

SAMPLE_RATE = 44_100
# x264's AVX-512 code gives other bytes from run to run at presets above superfast: 42 encodes of the same frames at
# `veryfast` gave 16 different files. Without it all are the same. SSE4.2 is on every x86-64 since 2009.
ENCODER = {"crf": "21", "preset": "slow", "x264-params": "asm=sse4.2"}

Samples = npt.NDArray[np.float32]

_SCALE = (0, 2, 4, 7, 9, 12, 14, 16)  # major pentatonic, semitones: any two notes go together


def render_film(renderer: Renderer, film: Film) -> Iterator[tuple[Video, MaskVideo]]:
    """Yield each shot's frames (F, H, W, 3) and masks (F, H, W), as `Renderer.render`."""
    for part in film.shots:
        move, size = part.move, (film.width, film.height)
        if part.products:
            move = framed(move, outline(part.products), part.num_frames, film.width / film.height, part.fill)
        yield renderer.render(part.products, move, part.scene, part.num_frames, *size)


def write_film(renderer: Renderer, film: Film, path: Path) -> MaskVideo:
    """Render a film into an .mp4 of H.264 and AAC.

    Returns:
        The product's masks, (F, H, W), 0 or 255.
    """
    masks = []

    def frames() -> Iterator[Frame]:
        for shot_frames, shot_masks in render_film(renderer, film):
            masks.append(shot_masks)
            yield from shot_frames

    write_with_music(frames(), film, path, ENCODER)
    return np.concatenate(masks)


def write_with_music(frames: Iterable[Frame], film: Film, path: Path, encoder: dict[str, str]) -> None:
    """Write frames, (H, W, 3) each, with a film's music into an .mp4 of H.264 and AAC.

    Args:
        frames: As many as the film has.
        film: Whose cuts and seed the music follows.
        path: The file to write.
        encoder: x264's options.
    """
    with scratch_directory() as folder:
        silent = folder / "silent.mp4"
        with StreamWriter(silent, FPS, "libx264", encoder, "yuv420p", "rgb24") as writer:
            for frame in frames:
                writer.write(frame)
        _add_sound(silent, music(film), path)


def music(film: Film) -> Samples:
    """A film's sound track, (N,) in [-1, 1]: plucked notes over a soft chord that changes with the cuts."""
    rng = np.random.default_rng(film.seed)
    root = 110.0 * 2.0 ** (float(rng.integers(0, 12)) / 12.0)
    time = np.arange(round(film.duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros(len(time))
    starts = [0, *film.cuts, film.num_frames]
    for begin, end in itertools.pairwise(starts):
        inside = (time >= begin / FPS) & (time < end / FPS)
        local = time[inside] - begin / FPS
        swell = np.minimum(local / 0.3, 1.0) * np.minimum((end - begin) / FPS - local, 0.2) / 0.2
        for step in rng.choice(_SCALE[:5], size=3, replace=False):
            sound[inside] += 0.06 * swell * np.sin(2.0 * np.pi * root * 2.0 ** (int(step) / 12.0) * local)
    for onset in np.arange(0.0, film.duration_s, 0.5):
        local = time - onset
        pluck = root * 2.0 ** (1.0 + _SCALE[int(rng.integers(len(_SCALE)))] / 12.0)
        envelope = np.where(local >= 0, np.exp(-5.0 * local.clip(0.0)), 0.0) * np.minimum(local.clip(0.0) / 0.005, 1.0)
        sound += 0.22 * envelope * (np.sin(2.0 * np.pi * pluck * local) + 0.3 * np.sin(4.0 * np.pi * pluck * local))
    return np.asarray((sound / max(1.0, float(np.abs(sound).max()))).astype(np.float32))


def _add_sound(silent: Path, samples: Samples, path: Path) -> None:
    import av
    from av.codec.context import Flags

    options = {"fflags": "+bitexact", "movflags": "+faststart"}
    with (
        named_errors(path),
        av.open(str(silent)) as source,
        av.open(str(path), "w", container_options=options) as target,
    ):
        picture = source.streams.video[0]
        copied = target.add_stream_from_template(picture)
        sound = target.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        sound.bit_rate = 48_000
        sound.codec_context.flags |= Flags.bitexact
        sound.codec_context.thread_count = 1
        for packet in source.demux(picture):
            if packet.dts is not None:
                packet.stream = copied
                target.mux(packet)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = 0
        for encoded in (*sound.encode(frame), *sound.encode(None)):
            target.mux(encoded)
