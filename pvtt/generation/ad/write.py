"""Frames → a film with the template's own times, sound and subtitles, and the label that a model made it.

Sound and subtitles are copied packet by packet. Pictures are H.264 without B-frames, so that times and the last frame's
length come out exactly. Equal frames give equal bytes: one thread, no time stamps, no random ids.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from pvtt.errors import PvttError
from pvtt.files.storage import named_errors
from pvtt.generation.ad.label import Label, append_xmp, without_label
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.ad.template import Template
from pvtt.media.arrays import Frame
from pvtt.media.video import moving_picture

CRF = 16  # of x264: no difference is seen at normal speed
PRESET = "veryfast"
CONTAINERS = (".mp4", ".mov", ".m4v", ".mkv")
KEPT_MATRICES = (1, 5, 6, 9)  # BT.709, BT.601 (two names), BT.2020: what swscale can go to
BT709 = 1
UNSPECIFIED = 2
LIMITED = 1


class AdWriter:
    """Writes the ad: one `write(frame)` for each of the template's frames, in order.

    Args:
        path: The file to write; its suffix chooses the container.
        template: Whose times, sound and colours it gets.
        label: Who made the film, for its metadata.
        crf: Of x264.
        needs_sound: Sound that the container cannot hold is an error; otherwise it is left out.
    """

    def __init__(
        self, path: Path, template: Template, label: Label, *, crf: int = CRF, needs_sound: bool = True
    ) -> None:
        self._path, self._template, self._label = path, template, label
        self._crf, self._needs_sound = crf, needs_sound
        self._count = 0
        self.notes: list[str] = []  # what could not be kept
        self.lost_sound = False

    def __enter__(self) -> Self:
        import av

        self._source = av.open(str(self._template.path))
        pictures = moving_picture(self._source)
        assert pictures is not None  # the template was read
        self._pictures = pictures
        options = {"fflags": "+bitexact"}
        if self._path.suffix == ".mkv":
            options["avoid_negative_ts"] = "disabled"  # sound may begin before 0, and pictures stay where they are
        else:
            options["movflags"] = "+faststart+use_metadata_tags"
        with named_errors(self._path):
            self._container = av.open(str(self._path), "w", container_options=options)
        try:
            self._times, self._durations, self._time_base = _in_ticks(self._template)
            self._stream: Any = self._open_pictures()
            self._copied: dict[int, Any] = dict(self._open_copies())
            self._packets = self._read_packets()
            self._next = next(self._packets, None)
            self._container.metadata.update(self._kept_metadata() | self._label.fields(self._path.suffix))
        except BaseException:
            self._container.close()
            self._source.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._mux_pictures(None)
                self._copy_until(None)
        finally:
            self._source.close()
            with named_errors(self._path):
                self._container.close()
        if kind is None:
            append_xmp(self._path)

    def write(self, frame: Frame) -> None:
        """Append a frame, (H, W, 3) RGB, upright."""
        import av
        from av.video.reformatter import ColorRange

        time = self._times[self._count]
        self._copy_until(self._template.times[self._count])
        picture = av.VideoFrame.from_ndarray(self._as_stored(frame), format="rgb24")
        picture = picture.reformat(
            format="yuv420p",
            dst_colorspace=self._matrix,
            dst_color_range=ColorRange.MPEG,
            interpolation=_exact_conversion(),
        )
        picture.pts, picture.time_base = time, self._time_base
        self._mux_pictures(picture)
        self._count += 1

    def _as_stored(self, frame: Frame) -> Frame:
        """Turned as the template's are stored; of even size, as H.264's 4:2:0 needs."""
        turns = self._template.rotation // 90 % 4
        stored = np.rot90(frame, -turns) if turns else frame
        height, width = stored.shape[:2]
        if height % 2 or width % 2:
            stored = np.pad(stored, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return np.ascontiguousarray(stored)

    def _open_pictures(self) -> Any:
        from av.codec.context import Flags

        template = self._template
        stream = self._container.add_stream("libx264", rate=template.rate.limit_denominator(1001))
        turned = bool(template.rotation % 180)
        width, height = (template.height, template.width) if turned else (template.width, template.height)
        stream.width, stream.height = width + width % 2, height + height % 2
        if width % 2 or height % 2:
            self.notes.append(f"{width}×{height} became {stream.width}×{stream.height}: H.264 needs even sides")
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        context.thread_count = 1
        context.max_b_frames = 0
        context.flags |= Flags.bitexact
        context.options = {"crf": str(self._crf), "preset": PRESET}
        aspect = 1 / template.pixel_aspect if turned else template.pixel_aspect
        if aspect != 1:
            context.sample_aspect_ratio = aspect
        source = self._pictures.codec_context
        self._matrix = int(source.colorspace) if int(source.colorspace) in KEPT_MATRICES else BT709
        context.colorspace = self._matrix
        context.color_range = LIMITED
        for name in ("color_primaries", "color_trc"):
            own = int(getattr(source, name))
            setattr(context, name, BT709 if own == UNSPECIFIED else own)
        if template.rotation:
            stream.set_display_rotation(template.rotation)
        return stream

    def _open_copies(self) -> Iterator[tuple[int, Any]]:
        """Output streams for what is copied, by the template's stream index."""
        for stream in self._source.streams:
            if stream.type == "video":
                if stream.index != self._pictures.index:
                    self.notes.append(f"stream {stream.index}, a further picture, was left out")
                continue
            name = getattr(stream.codec_context, "name", None)
            taken = stream.type in ("audio", "subtitle") and self._takes(stream)
            if taken:
                copy = self._container.add_stream_from_template(stream)
                copy.metadata.update(stream.metadata)
                yield stream.index, copy
            elif stream.type == "audio" and not self._needs_sound:
                self.lost_sound = True
            elif stream.type == "audio":
                raise AdError(
                    f"{self._path.suffix} cannot hold the template's sound ({name}) as it is",
                    "give -o a name that ends in .mkv, which holds any sound",
                    "sound_not_held",
                )
            else:
                self.notes.append(f"stream {stream.index} ({stream.type}) was left out: {self._path.suffix} has none")

    def _takes(self, stream: Any) -> bool:
        """Whether the container takes a stream's codec."""
        context = stream.codec_context
        if context is None:
            return False
        return context.codec.canonical_name in self._container.supported_codecs or (
            context.name in self._container.supported_codecs
        )

    def _kept_metadata(self) -> dict[str, str]:
        """The template's own, but what is not true of the new film."""
        left_out = ("encoder", "creation_time", "major_brand", "minor_version", "compatible_brands")
        kept = without_label(dict(self._source.metadata))
        return {key: value for key, value in kept.items() if key.lower() not in left_out}

    def _read_packets(self) -> Iterator[Any]:
        if self._copied:
            streams = [self._source.streams[index] for index in self._copied]
            for packet in self._source.demux(streams):
                if packet.dts is not None or packet.pts is not None:
                    yield packet

    def _copy_until(self, time: Fraction | None) -> None:
        """Copy the packets up to a time; None: all."""
        while (packet := self._next) is not None:
            stamp = packet.dts if packet.dts is not None else packet.pts
            if time is not None and stamp * packet.time_base > time:
                return
            packet.stream = self._copied[packet.stream.index]
            self._mux(packet)
            self._next = next(self._packets, None)

    def _mux_pictures(self, picture: Any) -> None:
        for packet in self._stream.encode(picture):
            packet.duration = self._durations[packet.pts]
            self._mux(packet)

    def _mux(self, packet: Any) -> None:
        with named_errors(self._path):
            self._container.mux(packet)


def _exact_conversion() -> int:
    """swscale's flags, as `pvtt.media.video` has them: its fast default darkens each round trip."""
    from av.video.reformatter import Interpolation

    return int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)


def _in_ticks(template: Template) -> tuple[list[int], dict[int, int], Fraction]:
    """Times, and durations by time, as whole numbers of a time base, which is the third."""
    durations = template.durations()
    ticks = math.lcm(*(value.denominator for value in (*template.times, *durations)))
    if ticks > 1_000_000:  # of times that a container never has: a raw stream's, or of an odd rate
        ticks = 90_000
    times = [round(time * ticks) for time in template.times]
    return (
        times,
        {time: max(1, round(duration * ticks)) for time, duration in zip(times, durations, strict=True)},
        Fraction(1, ticks),
    )


def greatest_shift(path: Path, template: Template) -> Fraction:
    """How far any frame's time in a written film is from the template's, in seconds; the end counts too.

    Raises:
        PvttError: It has another number of frames.
    """
    import av

    shown: dict[Fraction, Fraction] = {}  # a frame's time → when it ends
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.pts is not None:
                time = Fraction(packet.pts * packet.time_base)
                shown[time] = time + Fraction((packet.duration or 0) * packet.time_base)
    times = sorted(shown)
    if len(times) != template.num_frames:
        raise PvttError(f"{len(times)} frames were written of {template.num_frames}", "report this as a fault")
    return max(
        abs(one - other) for one, other in zip((*times, shown[times[-1]]), (*template.times, template.end), strict=True)
    )
