"""The machine-readable label, as readers of other people find it."""

from __future__ import annotations

import json
import struct
import subprocess
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pvtt.errors import PvttError
from pvtt.generation.ad import write
from pvtt.generation.ad.label import LABEL, Label, check_producer
from pvtt.generation.ad.template import read_template
from pvtt.generation.ad.write import AdWriter, greatest_shift
from tests.conftest import require_program
from tests.generation.ad.films import disc_shot, uneven_times, write_film

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv")
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
XMP_UUID = "be7acfcb97a942e89c71999491e3afac"


def written(source: Path, target: Path) -> Path:
    """A template's own frames as an ad with a label."""
    template = read_template(source)
    with AdWriter(target, template, Label("shop-7", "c0ffee")) as writer:
        for frame in template.frames():
            writer.write(frame)
    assert greatest_shift(target, template) == 0
    return target


def probed(path: Path, *what: str) -> dict[str, Any]:
    """What FFmpeg's own reader says, which is another version than the one that writes."""
    command = [require_program("ffprobe"), "-v", "error", "-of", "json", *what, str(path)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def tags(path: Path) -> dict[str, str]:
    """By their names in small letters: Matroska writes all in capitals."""
    return {key.lower(): value for key, value in probed(path, "-show_format")["format"]["tags"].items()}


def boxes(data: bytes) -> list[tuple[str, bytes]]:
    """Names and contents of boxes that follow each other, as ISO 14496-12 has them."""
    found, place = [], 0
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, place + 8), 16
        assert head <= size <= len(data) - place
        found.append((kind.decode("latin-1"), data[place + head : place + size]))
        place += size
    return found


def source_type(packet: str) -> str | None:
    """IPTC's property in an XMP packet."""
    inside = packet[packet.index("?>") + 2 : packet.rindex("<?xpacket end")]
    name = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    (found,) = ElementTree.fromstring(inside).iter(name)
    return found.text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_container_says_in_its_tags_that_a_model_made_the_film(tmp_path: Path, suffix: str) -> None:
    source = write_film(tmp_path / "ad.mp4", disc_shot(200)[0])
    found = tags(written(source, tmp_path / f"new{suffix}"))
    assert json.loads(found["aigc"]) == {
        "Label": "1",
        "ContentProducer": "shop-7",
        "ProduceID": "c0ffee",
        "ReservedCode1": "",
        "ContentPropagator": "shop-7",
        "PropagateID": "c0ffee",
        "ReservedCode2": "",
    }
    assert found["digitalsourcetype"] == SOURCE_TYPE
    assert found["comment"] == LABEL


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v"])
def test_the_xmp_is_the_last_box_of_the_file_and_changes_nothing_before_it(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_film(tmp_path / "ad.mp4", disc_shot(200)[0], uneven_times(14))
    film = written(source, tmp_path / f"new{suffix}")
    found = boxes(film.read_bytes())
    assert [kind for kind, _ in found].count("uuid") == 1
    kind, content = found[-1]
    assert (kind, content[:16].hex()) == ("uuid", XMP_UUID)
    assert source_type(content[16:].decode()) == SOURCE_TYPE
    assert probed(film, "-export_xmp", "1", "-show_format")["format"]["tags"]["xmp"] == content[16:].decode()

    monkeypatch.setattr(write, "append_xmp", lambda path: None)
    bare = written(source, tmp_path / f"bare{suffix}")
    assert film.read_bytes()[: -len(content) - 8] == bare.read_bytes()
    what = ("-show_streams", "-show_packets", "-show_chapters")
    assert probed(film, *what) == probed(bare, *what)
    assert probed(film, "-show_format")["format"]["duration"] == probed(bare, "-show_format")["format"]["duration"]


def test_aigc_of_an_mp4_is_where_the_standards_guide_wants_it(tmp_path: Path) -> None:
    film = written(write_film(tmp_path / "ad.mp4", disc_shot(200)[0]), tmp_path / "new.mp4")
    inside = dict(boxes(dict(boxes(dict(boxes(film.read_bytes()))["moov"]))["udta"]))["meta"]
    meta = dict(boxes(inside[4:]))  # after version and flags
    assert b"mdtaAIGC" in meta["keys"]
    assert b'"ContentProducer":"shop-7"' in meta["ilst"]


def test_an_mkv_has_the_packet_in_a_tag_and_no_further_stream(tmp_path: Path) -> None:
    film = written(write_film(tmp_path / "ad.mp4", disc_shot(200)[0]), tmp_path / "new.mkv")
    assert source_type(tags(film)["xmp"]) == SOURCE_TYPE
    kinds = [stream["codec_type"] for stream in probed(film, "-show_streams")["streams"]]
    assert kinds == ["video", "audio"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_template_that_is_generated_itself_keeps_its_other_tags_and_gets_one_label(
    tmp_path: Path, suffix: str
) -> None:
    source = write_film(tmp_path / "plain.mp4", disc_shot(200)[0])
    labelled = tmp_path / "ad.mkv"
    given = {"aigc": "old", "COMMENT": "old", "XMP": "old", "title": "Spring"}
    options = [part for key, value in given.items() for part in ("-metadata", f"{key}={value}")]
    command = [require_program("ffmpeg"), "-v", "error", "-i", source, *options, "-c", "copy", labelled]
    subprocess.run(command, check=True)
    found = probed(written(labelled, tmp_path / f"new{suffix}"), "-show_format")["format"]["tags"]
    lowered = [key.lower() for key in found]
    assert len(lowered) == len(set(lowered))
    assert "old" not in found.values()
    assert tags(tmp_path / f"new{suffix}")["title"] == "Spring"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_labelled_film_is_the_same_bytes_again(tmp_path: Path, suffix: str) -> None:
    source = write_film(tmp_path / "ad.mp4", disc_shot(200)[0])
    one, two = (written(source, tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two"))
    assert one == two


def test_rotation_and_pixels_that_are_not_square_stay_with_a_label(tmp_path: Path) -> None:
    source = write_film(tmp_path / "ad.mp4", disc_shot(200)[0], rotation=90)
    made = read_template(written(source, tmp_path / "new.mp4"))
    assert (made.rotation, made.pixel_aspect) == (read_template(source).rotation, Fraction(1))
    assert made.rotation != 0


@pytest.mark.parametrize("producer", ["", "two words", 'a"b', "a\\b", "公司"])
def test_a_producer_that_the_standard_does_not_take_is_refused(producer: str) -> None:
    with pytest.raises(PvttError, match="not what GB 45438-2025 takes"):
        check_producer(producer)
    check_producer("001191110102MAD55U9H0F10002")
