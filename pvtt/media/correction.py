"""Decoded frames as they are meant to be seen: fields woven apart, mirrors applied, colours in BT.709.

A frame that cannot be shown rightly is an `UnshowableError` with its reason, never wrong pixels.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from pvtt.errors import PvttError

if TYPE_CHECKING:
    import av

HDR_TRANSFERS = {16: "PQ", 18: "HLG"}  # FFmpeg's AVCOL_TRC
UNSHOWABLE_TRANSFERS = {8: "linear light", 9: "logarithmic", 10: "logarithmic", 17: "cinema (SMPTE 428)"}
# FFmpeg's AVCOL_SPC that swscale reads: RGB, BT.709, unspecified, FCC, BT.601 (two), SMPTE 240M, BT.2020.
READABLE_MATRICES = frozenset({0, 1, 2, 4, 5, 6, 7, 9})
WIDE_PRIMARIES = frozenset({9, 11, 12})  # FFmpeg's AVCOL_PRI: BT.2020, DCI-P3, Display P3
UNSPECIFIED = 2
MATRIX_TOLERANCE = 0.01  # a display matrix this near to one of the eight upright ones is that one


class UnshowableError(PvttError):
    """A frame whose right pixels are not known here. `reason` is a code for reject tables: `hdr`, `colours`,
    `transparent`, `interlaced` or `bad_orientation`."""

    def __init__(self, message: str, hint: str | None = None, reason: str = "colours") -> None:
        super().__init__(message, hint)
        self.reason = reason


class Correction:
    """Makes a stream's frames upright up to a rotation (`frame.rotation`), and progressive.

    Args:
        codec: FFmpeg's name of the codec.
        to_bt709: Also bring wide gamuts to BT.709's, and refuse HDR, transparency and unknown matrices.
    """

    def __init__(self, codec: str, to_bt709: bool) -> None:
        self._codec = codec
        self._to_bt709 = to_bt709
        self._graph: Any = None
        self._reformatter: Any = None  # one of all frames: its tables take a second
        self._key: tuple[object, ...] = ()
        self._deinterlaces = False
        self._times: deque[Fraction] = deque()
        self.transposes = False  # mirrored along a diagonal: width and height of a pixel change places

    def push(self, time: Fraction, frame: av.VideoFrame) -> list[tuple[Fraction, av.VideoFrame]]:
        """The next frame in; those that are ready come out, none lost. Raises `UnshowableError`."""
        if frame.interlaced_frame and self._codec == "hevc":  # its fields come as frames of half the height
            raise UnshowableError("its frames are single fields", _CONVERT.format("-vf bwdif"), "interlaced")
        self._deinterlaces |= frame.interlaced_frame
        mirror = _mirror(frame)
        self.transposes = mirror.startswith("transpose")
        if self._to_bt709:
            _check_colours(frame)
        if not self._deinterlaces and not mirror:
            return [*self.flush(), (time, self._coloured(frame))]
        key = (frame.width, frame.height, frame.format.name, frame.time_base, mirror, self._deinterlaces)
        ready = [] if key == self._key else self.flush()
        if self._graph is None:
            self._graph, self._key = _graph(frame, mirror, self._deinterlaces), key
        self._times.append(time)
        if frame.pts is None:
            frame.pts = len(self._times)
        self._graph.push(frame)
        return [*ready, *self._pulled()]

    def flush(self) -> list[tuple[Fraction, av.VideoFrame]]:
        """The frames that waited for a next one."""
        if self._graph is None:
            return []
        self._graph.push(None)
        ready = self._pulled()
        self._graph, self._key = None, ()
        return ready

    def _pulled(self) -> list[tuple[Fraction, av.VideoFrame]]:
        import av

        ready: list[tuple[Fraction, av.VideoFrame]] = []
        while self._times:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            ready.append((self._times.popleft(), self._coloured(frame)))
        return ready

    def _coloured(self, frame: av.VideoFrame) -> av.VideoFrame:
        """In BT.709's primaries; the others' small differences, BT.601's, are left, as browsers leave them."""
        from av.video.reformatter import (
            ColorPrimaries,
            ColorRange,
            Colorspace,
            ColorTrc,
            Interpolation,
            VideoReformatter,
        )

        if not self._to_bt709 or frame.color_primaries not in WIDE_PRIMARIES:
            return frame
        if frame.color_trc == UNSPECIFIED:
            frame.color_trc = ColorTrc.BT709
        if self._reformatter is None:
            self._reformatter = VideoReformatter()
        coloured: av.VideoFrame = self._reformatter.reformat(
            frame,
            format="yuv444p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            dst_color_primaries=ColorPrimaries.BT709,
            dst_color_trc=ColorTrc.BT709,
            interpolation=int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT),
            threads=1,
        )
        return coloured


_CONVERT = "convert it: `ffmpeg -i IN {} -c:v libx264 -crf 12 OUT.mp4`"
_TONE_MAP = "-vf zscale=t=linear:npl=100,tonemap=hable,zscale=p=bt709:t=bt709:m=bt709:r=limited,format=yuv420p"


def _check_colours(frame: av.VideoFrame) -> None:
    transfer, matrix = int(frame.color_trc), int(frame.colorspace)
    if transfer in HDR_TRANSFERS:
        raise UnshowableError(f"it is HDR ({HDR_TRANSFERS[transfer]})", _CONVERT.format(_TONE_MAP), "hdr")
    if transfer in UNSHOWABLE_TRANSFERS:
        raise UnshowableError(
            f"its colours are {UNSHOWABLE_TRANSFERS[transfer]}", _CONVERT.format("-vf colorspace=all=bt709")
        )
    if matrix not in READABLE_MATRICES:
        raise UnshowableError(
            f"its colour matrix (number {matrix} of ITU-T H.273) is not read here",
            _CONVERT.format("-vf colorspace=all=bt709"),
        )
    if any(component.is_alpha for component in frame.format.components):
        alpha = frame.reformat(format="rgba", threads=1).to_ndarray()[..., 3]
        if int(alpha.min()) < 255:
            raise UnshowableError(
                "it is transparent, and what lies behind it is not known",
                "lay it over a backdrop: `ffmpeg -f lavfi -i color=white:s=WxH -i IN -filter_complex "
                "overlay=shortest=1 -c:v libx264 OUT.mp4`",
                "transparent",
            )


def _mirror(frame: av.VideoFrame) -> str:
    """The filter that undoes a mirrored display matrix; empty where it is a rotation or absent."""
    from av.sidedata.sidedata import Type

    side_data: Any = frame.side_data
    found = side_data.get(Type.DISPLAYMATRIX)
    if found is None:
        return ""
    matrix = np.frombuffer(bytes(found), np.int32).reshape(3, 3)[:2, :2] / 65536
    lengths = np.hypot(*matrix)  # of its columns, as FFmpeg's rotation has them
    if np.all(lengths > 1e-3):
        unit = matrix / lengths
        nearest = np.round(unit)
        if abs(unit - nearest).max() <= MATRIX_TOLERANCE and abs(np.linalg.det(nearest)) == 1:
            if np.linalg.det(nearest) > 0:
                return ""
            if nearest[0, 0]:
                return "hflip" if nearest[0, 0] < 0 else "vflip"
            return "transpose=cclock_flip" if nearest[0, 1] > 0 else "transpose=clock_flip"
    raise UnshowableError(
        "its display matrix is no turn by a quarter and no mirror",
        "write it anew without one: `ffmpeg -noautorotate -i IN -c:v libx264 OUT.mp4`",
        "bad_orientation",
    )


def _graph(frame: av.VideoFrame, mirror: str, deinterlaces: bool) -> Any:
    """A filter graph for frames like this one."""
    from av.filter import Graph

    graph = Graph()
    nodes = [
        graph.add(
            "buffer",
            video_size=f"{frame.width}x{frame.height}",
            pix_fmt=frame.format.name,
            time_base=str(frame.time_base or Fraction(1, 25)),
            colorspace=str(int(frame.colorspace)),
            range=str(int(frame.color_range)),
        )
    ]
    if deinterlaces:
        nodes.append(graph.add("bwdif", mode="send_frame", deint="interlaced"))
    if mirror:
        name, _, argument = mirror.partition("=")
        nodes.append(graph.add(name, argument or None))
        nodes.append(graph.add("sidedata", mode="delete", type="DISPLAYMATRIX"))
    nodes.append(graph.add("buffersink"))
    graph.link_nodes(*nodes).configure()
    return graph
