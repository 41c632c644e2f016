"""Files that hold moving pictures and are no films: animated AVIF, covers, strips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition

from pvtt.clips.shots import SourceVideo, split_video
from pvtt.crawl.content import MP4, probe, sniff
from pvtt.files.hashing import sha256_file
from pvtt.items.runner import ItemRejectedError
from pvtt.params.clip import ClipParams
from tests.media.films import chart, rgb_picture, write_pictures


def test_an_animated_avif_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "moving.avif"
    pictures = [rgb_picture(chart(), "yuv420p") for _ in range(4)]
    write_pictures(path, pictures, "libsvtav1", options={"preset": "12"})
    head = path.read_bytes()[:512]
    assert head[8:12] == b"avis"
    assert sniff(head) is None
    assert sniff(b"\x00\x00\x00\x1cftypiso8\x00\x00\x00\x00iso8mif1avis") is None
    assert sniff(b"\x00\x00\x00\x1cftypisom\x00\x00\x00\x00isomiso2mp41") == MP4


def test_a_cover_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 128, 96, "rgb24"
        cover.disposition = Disposition.attached_pic
        sound = container.add_stream("aac", rate=44100)
        container.mux(cover.encode(rgb_picture(chart(), "rgb24")))
        silence = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        silence.sample_rate, silence.pts, silence.time_base = 44100, 0, Fraction(1, 44100)
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    with pytest.raises(ItemRejectedError) as caught:
        probe(path, MP4)
    assert caught.value.reason == "not_a_video"


@pytest.mark.parametrize("aspect", [Fraction(50), Fraction(1, 50)])
def test_a_shape_that_no_film_has_is_refused_before_it_takes_memory(tmp_path: Path, aspect: Fraction) -> None:
    path = tmp_path / "film.mp4"
    write_pictures(path, [rgb_picture(chart(), "yuv420p")] * 4, sample_aspect_ratio=aspect)
    (tmp_path / "out").mkdir()
    with pytest.raises(ItemRejectedError) as caught:
        split_video(SourceVideo(sha256=sha256_file(path), path=path), tmp_path / "out", ClipParams(min_short_side=16))
    assert caught.value.reason == "odd_shape"


def test_hdr_is_a_reject_that_says_how_to_convert(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_pictures(path, [rgb_picture(chart(), "yuv420p")] * 4, colorspace=9, color_primaries=9, color_trc=18)
    (tmp_path / "out").mkdir()
    with pytest.raises(ItemRejectedError) as caught:
        split_video(SourceVideo(sha256=sha256_file(path), path=path), tmp_path / "out", ClipParams(min_short_side=16))
    assert caught.value.reason == "hdr"
    assert "tonemap" in caught.value.message
