from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.crawl.content import JPEG, MP4, PNG, QUICKTIME, WEBM, WEBP, MediaReceiver, probe, sniff
from pvtt.crawl.drafts import MediaKind
from pvtt.items.runner import ItemRejectedError
from tests.crawl.site import photo_bytes, video_bytes


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (video_bytes(0), MP4),
        (video_bytes(0, "mov"), QUICKTIME),
        (video_bytes(0, "webm", "libvpx"), WEBM),
        (photo_bytes(0), JPEG),
        (photo_bytes(0, "PNG"), PNG),
        (photo_bytes(0, "WEBP"), WEBP),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_real_files_are_recognised_and_pass_the_probe(data: bytes, expected: object, tmp_path: Path) -> None:
    found = sniff(data[:512])
    assert found == expected
    assert found is not None
    path = tmp_path / "file"
    path.write_bytes(data)
    probe(path, found)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"<!DOCTYPE html><title>x</title>",
        b"GIF89a",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
        b"\x1aE\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x1fB\x82\x88matroska",
        b"Get free videos here",
        b"#EXTM3U\nhttp://169.254.169.254/",
        b"RIFF\x00\x00\x00\x00AVI ",
    ],
)
def test_other_bytes_are_not_media(data: bytes) -> None:
    assert sniff(data) is None


def feed(receiver: MediaReceiver, data: bytes) -> None:
    for start in range(0, len(data), 100):
        receiver.write(data[start : start + 100])
    receiver.finish()


@pytest.mark.parametrize(
    ("kind", "data", "reason", "words"),
    [
        ("video", b"<html>" + b" " * 600, "not_a_video", "HTML"),
        ("video", b"<html>", "not_a_video", "HTML"),
        ("video", b"", "not_a_video", "empty"),
        ("video", photo_bytes(0), "not_a_video", "image/jpeg"),
        ("video", b"#EXTM3U\n#EXT-X-VERSION:3", "not_a_video", "an HLS playlist"),
        ("photo", video_bytes(0), "not_an_image", "video/mp4"),
        ("photo", b"GIF89a" * 200, "not_an_image", "GIF"),
        ("video", video_bytes(0) * 40, "too_large", "0.1 MB"),
    ],
)
def test_wrong_bytes_are_refused_with_their_reason(kind: MediaKind, data: bytes, reason: str, words: str) -> None:
    receiver = MediaReceiver(kind, 100_000, None)
    with pytest.raises(ItemRejectedError) as caught:
        feed(receiver, data)
    assert caught.value.reason == reason
    assert words in caught.value.message


def test_a_page_is_refused_long_before_its_end() -> None:
    receiver = MediaReceiver("video", 10**9, None)
    with pytest.raises(ItemRejectedError):
        feed(receiver, b"<p>" * 10_000)
    assert receiver.num_bytes < 1000


@pytest.mark.parametrize("kept", [60, 300, -1])
def test_a_cut_mp4_is_truncated_without_decoding(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(video_bytes(1)[:kept])
    with pytest.raises(ItemRejectedError) as caught:
        probe(path, MP4)
    assert caught.value.reason == "truncated"


def test_a_cut_webm_or_jpeg_header_is_truncated(tmp_path: Path) -> None:
    for name, data, kind in (
        ("a.webm", video_bytes(1, "webm", "libvpx")[:70], WEBM),
        ("a.jpg", photo_bytes(1)[:20], JPEG),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ItemRejectedError) as caught:
            probe(tmp_path / name, kind)
        assert caught.value.reason == "truncated"
