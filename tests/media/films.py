"""Films of a chart of known colours, in whatever way a camera or a phone stores them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation

from pvtt.media.arrays import Frame

EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

PATCHES = np.array(
    [
        [[20, 20, 20], [200, 40, 40], [40, 160, 60], [50, 70, 200]],
        [[235, 235, 235], [220, 180, 40], [128, 128, 128], [150, 60, 140]],
    ],
    np.uint8,
)
# Kr and Kb of a matrix by FFmpeg's number, after ITU-T H.273.
WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}


def chart(width: int = 128, height: int = 96) -> Frame:
    """Eight patches, two rows of four; no turn and no mirror of it looks the same."""
    rows, columns = np.arange(height) * 2 // height, np.arange(width) * 4 // width
    return PATCHES[rows[:, None], columns[None, :]]


def to_yuv(frame: Frame, matrix: int, full: bool, bits: int = 8) -> npt.NDArray[np.float64]:
    """(H, W, 3) RGB as Y'CbCr of H.273, (3, H, W), by its formulas and by no library's."""
    kr, kb = WEIGHTS[matrix]
    red, green, blue = np.moveaxis(frame / 255.0, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = np.stack([(blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)])
    scale = 2 ** (bits - 8)
    if full:
        top = 2**bits - 1
        return np.concatenate([luma[None] * top, chroma * top + 2 ** (bits - 1)])
    return np.concatenate([(16 + 219 * luma[None]) * scale, (128 + 224 * chroma) * scale])


def yuv_picture(frame: Frame, matrix: int, full: bool, bits: int = 8) -> av.VideoFrame:
    """The frame as 4:4:4 of 8 or 10 bits."""
    planes = np.round(to_yuv(frame, matrix, full, bits)).clip(0, 2**bits - 1)
    picture = av.VideoFrame(frame.shape[1], frame.shape[0], "yuv444p" if bits == 8 else f"yuv444p{bits}le")
    for plane, values in zip(picture.planes, planes, strict=True):
        row = values.astype(np.uint8 if bits == 8 else "<u2").view(np.uint8)
        plane.update(np.pad(row, ((0, 0), (0, plane.line_size - row.shape[1]))).tobytes())
    return picture


def rgb_picture(frame: Frame, pixel_format: str) -> av.VideoFrame:
    """The frame in any pixel format, by BT.601 and of limited range, as encoders take it without being told."""
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    return picture.reformat(format=pixel_format, interpolation=int(EXACT), threads=1)


def write_pictures(
    path: Path,
    pictures: Iterable[av.VideoFrame],
    codec: str = "libx264",
    pixel_format: str | None = None,
    times: Sequence[Fraction] | None = None,
    options: dict[str, str] | None = None,
    rate: int = 12,
    clock: int = 600,
    **tags: object,
) -> Path:
    """Encode pictures, `rate` a second or at `times`, with the codec context's `tags` (colorspace, color_trc, …)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        context = stream.codec_context
        context.time_base = Fraction(1, clock)
        default = {"qp": "0"} if codec == "libx264" else {}
        context.options = default if options is None else options
        for name, value in tags.items():
            setattr(context, name, value)
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.width, stream.height = picture.width, picture.height
                stream.pix_fmt = pixel_format or picture.format.name
            picture.pts = int((Fraction(number, rate) if times is None else times[number]) * clock)
            picture.time_base = Fraction(1, clock)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def with_matrix(path: Path, target: Path, a: int, b: int, c: int, d: int) -> Path:
    """An MP4 of ours with another display matrix (ISO/IEC 14496-12, 8.3.2), of which these are quarters in 16.16."""
    words = [value.to_bytes(4, "big", signed=True) for value in (0x1_0000, 0, 0, 0, 0x1_0000, a, b, 0, c, d)]
    head, track = path.read_bytes().split(b"tkhd", 1)
    identity, changed = b"".join(words[:5]), b"".join(words[5:])
    assert identity in track
    target.write_bytes(head + b"tkhd" + track.replace(identity, changed, 1))
    return target
