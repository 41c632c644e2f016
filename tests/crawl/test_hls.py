"""Films that a shop serves as HLS: whole and unchanged in `data/`, or one reject that says why not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from pvtt.crawl import crawl
from pvtt.crawl.drafts import CrawlSummary
from pvtt.crawl.playlist import Pieces, read_playlist
from pvtt.crawl.remux import remux
from pvtt.files.storage import TEMPORARY_PREFIX
from pvtt.files.workspace import Workspace
from pvtt.items.runner import ItemRejectedError
from pvtt.records.catalog import read_catalog
from tests.crawl.hls_films import cut_into_pieces, film_bytes, pictures, sound_of
from tests.crawl.site import Site, serving

URL = "https://cdn.example/films/a/film.m3u8?token=1"
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
MASTER = (
    "#EXTM3U\n"
    '#EXT-X-STREAM-INF:BANDWIDTH=80000,RESOLUTION=64x48,CODECS="avc1.64000a,mp4a.40.2"\n../ts/film.m3u8\n'
    "#EXT-X-STREAM-INF:BANDWIDTH=900000000,RESOLUTION=1920x1080\nhuge.m3u8\n"
    "#EXT-X-STREAM-INF:BANDWIDTH=90000,RESOLUTION=96x64\nbest.m3u8\n"
)

MASTER_OF_SOUND = (
    "#EXTM3U\n"
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="de",DEFAULT=NO,URI="other.m3u8"\n'
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",DEFAULT=YES,URI="sound.m3u8"\n'
    '#EXT-X-STREAM-INF:BANDWIDTH=80000,AUDIO="a"\n/films/sound-apart/picture.m3u8\n'
)


def media(*pieces: str, tags: str = "", end: str = "#EXT-X-ENDLIST\n") -> str:
    return HEAD + tags + "".join(f"#EXTINF:1.0,\n{piece}\n" for piece in pieces) + end


def variant_playlist(film: str) -> str:
    return f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{film}\n"


# Product: its playlist, the reason of its reject, and a word of the message.
HOSTILE = {
    "live": (media("/films/ts/piece0.ts", end=""), "not_a_video", "live"),
    "aes": (media("/films/ts/piece0.ts", tags='#EXT-X-KEY:METHOD=AES-128,URI="/key"\n'), "not_a_video", "AES-128"),
    "session-key": (MASTER + '#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://x"\n', "not_a_video", "SAMPLE-AES"),
    "short": (media("/films/ts/piece0.ts", tags="#EXT-X-BYTERANGE:9@0\n"), "not_a_video", "put together"),
    "no-parts": (media("/films/ts/piece0.ts", tags="#EXT-X-BYTERANGE:9@99\n"), "not_a_video", "parts of files"),
    "beyond": (media("/films/ts-parts/all.ts", tags="#EXT-X-BYTERANGE:9999999@0\n"), "truncated", "9999999"),
    "mute": (MASTER_OF_SOUND.replace("sound.m3u8", "/films/ts/film.m3u8"), "not_a_video", "no sound"),
    "no-sound": (MASTER_OF_SOUND.replace("sound.m3u8", "gone.m3u8"), "http_error", "film's sound"),
    "spliced": (media("/films/ts/piece0.ts", "/x.ts", tags="#EXT-X-DISCONTINUITY\n"), "not_a_video", "spliced"),
    "itself": (variant_playlist("film.m3u8"), "not_a_video", "variants again"),
    "many": (media(*("x" for _ in range(6000))), "too_large", "5000 pieces"),
    "very-many": (media(*(f"{number}.ts" for number in range(100_000))), "too_large", "1 MB"),
    "metadata": (media("http://169.254.169.254/latest.ts"), "forbidden_host", "piece 1 of 1"),
    "elsewhere": (media("/films/ts/piece0.ts", "/to-elsewhere"), "forbidden_host", "piece 2 of 2"),
    "file": (media("file:///etc/passwd"), "forbidden_host", "scheme"),
    "variant-elsewhere": (variant_playlist("http://10.0.0.1/film.m3u8"), "forbidden_host", "a playlist of the film"),
    "missing": (media("/films/ts/piece0.ts", "gone.ts"), "http_error", "404"),
    "unwanted": (media("/films/ts/piece0.ts", "/private/1.ts"), "robots_forbidden", "piece 2 of 2"),
    "endless": (media("/endless.ts"), "too_large", "max_video_mb"),
    "walls": (media("/wall.html", "/wall.html"), "not_a_video", "put together"),
    "no-map": (media("/films/mp4/piece0.m4s"), "not_a_video", "put together"),
}  # fmt: skip


WITH_SOUND = "sound", "sound-mp4", "sound-apart", "ts-parts", "mp4-parts"


@dataclass
class Crawled:
    """A shop of such films after a crawl."""

    site: Site
    elsewhere: Site
    workspace: Workspace
    films: dict[str, bytes]  # product → the film that it was cut from
    summary: CrawlSummary
    rejects: dict[str, list[dict[str, str]]]  # by product

    def film(self, product_id: str) -> Path:
        """A product's film in `data/`."""
        (video,) = read_catalog(self.workspace.data)[product_id].videos
        assert video.media_type == "video/mp4"
        return self.workspace.data / video.path


def add_film(site: Site, product_id: str, playlist: str | bytes) -> None:
    video = {"@type": "VideoObject", "contentUrl": f"/films/{product_id}/film.m3u8"}
    site.add_product(product_id, 1, photos=0, video=video)
    site.add(f"/films/{product_id}/film.m3u8", playlist, headers={"Content-Type": "application/vnd.apple.mpegurl"})


def add_films_with_sound(site: Site, films: dict[str, bytes]) -> None:
    """Sound among the pictures' pieces, sound apart, and pieces that are byte ranges of one file."""
    both = "video", "audio"
    for name, fragmented in {"sound": False, "sound-mp4": True, "ts-parts": False, "mp4-parts": True}.items():
        films[name] = film_bytes(len(films) + 1, sound=True)
        pieces = cut_into_pieces(films[name], fragmented, both, single_file=name.endswith("parts"))
        add_film(site, name, pieces.pop("film.m3u8"))
        for file, body in pieces.items():
            site.add(f"/films/{name}/{file}", body, gives_parts=name.endswith("parts"))
    films["sound-apart"] = film_bytes(9, sound=True, b_frames=0)  # which, cut alone, would be later than the sound
    add_film(site, "sound-apart", MASTER_OF_SOUND)
    for kind, name in {"video": "picture", "audio": "sound"}.items():
        for file, body in cut_into_pieces(films["sound-apart"], True, (kind,)).items():
            changed = body.replace(b"piece", f"{name}".encode()).replace(b"init.mp4", f"{name}.mp4".encode())
            target = {"film.m3u8": f"{name}.m3u8", "init.mp4": f"{name}.mp4"}.get(file, file.replace("piece", name))
            site.add(f"/films/sound-apart/{target}", changed if file == "film.m3u8" else body)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crawled]:
    workspace = Workspace(tmp_path_factory.mktemp("hls"))
    films = {"ts": film_bytes(1), "mp4": film_bytes(2), "master": film_bytes(3, 96, 64)}
    with serving(Site()) as site, serving(Site()) as elsewhere:
        for name in ("ts", "mp4"):
            pieces = cut_into_pieces(films[name], fragmented=name == "mp4")
            add_film(site, name, pieces.pop("film.m3u8"))
            for file, body in pieces.items():
                site.add(f"/films/{name}/{file}", body)
        add_film(site, "master", MASTER)
        pieces = cut_into_pieces(films["master"])
        pieces["best.m3u8"] = pieces.pop("film.m3u8").replace(b"piece", b"best-piece")
        pieces["huge.m3u8"] = media("huge.ts").encode()
        for file, body in pieces.items():
            site.add(f"/films/master/{file.replace('piece', 'best-piece')}", body)
        add_films_with_sound(site, films)
        for name, (playlist, _, _) in HOSTILE.items():
            add_film(site, name, playlist)
        site.add("/to-elsewhere", b"", status=302, headers={"Location": f"{elsewhere.url}piece0.ts"})
        site.add("/private/1.ts", pieces["piece1.ts"])
        site.add("/endless.ts", b"G" + b"x" * 9999, endless=True)
        site.add("/wall.html", "<html><body>Log in</body></html>" * 50)
        site.add("/robots.txt", "User-agent: *\nDisallow: /private/\n")
        site.add_index(*(f"/products/{name}.html" for name in (*films, *HOSTILE)))
        summary = crawl(workspace, site.params(max_video_mb=1))
        rows: dict[str, list[dict[str, str]]] = {}
        for row in map(json.loads, (workspace.data / "rejects.jsonl").read_text().splitlines()):
            rows.setdefault(row["product_id"], []).append(row)
        yield Crawled(site, elsewhere, workspace, films, summary, rows)


@pytest.mark.parametrize("product_id", ["ts", "mp4", "master", *WITH_SOUND])
def test_the_film_has_the_pictures_that_it_was_cut_from(product_id: str, crawled: Crawled, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(crawled.films[product_id])
    expected, times = pictures(tmp_path / "film.mp4")
    found, found_times = pictures(crawled.film(product_id))
    np.testing.assert_array_equal(found, expected)
    assert found_times == times
    assert product_id not in crawled.rejects


@pytest.mark.parametrize("product_id", WITH_SOUND)
def test_the_film_has_its_sound(product_id: str, crawled: Crawled, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(crawled.films[product_id])
    expected, found = sound_of(tmp_path / "film.mp4"), sound_of(crawled.film(product_id))
    assert abs(len(found) - len(expected)) <= 2048  # two blocks
    shifts = range(-2048, 2049, 8)
    middle = expected[20_000:40_000]
    assert min(float(np.abs(found[20_000 + shift : 40_000 + shift] - middle).mean()) for shift in shifts) < 0.02


def test_sound_in_packed_pieces_begins_with_the_picture(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(film_bytes(9, sound=True))
    with (
        av.open(str(tmp_path / "film.mp4")) as read,
        av.open(str(tmp_path / "sound.aac"), "w", format="adts") as packed,
    ):
        heard = packed.add_stream_from_template(read.streams.audio[0])
        for packet in read.demux(read.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = heard
                packed.mux(packet)
    pieces = cut_into_pieces((tmp_path / "film.mp4").read_bytes())
    (tmp_path / "pieces").write_bytes(b"".join(pieces[f"piece{number}.ts"] for number in range(6)))
    remux(tmp_path / "pieces", tmp_path / "whole.mp4", tmp_path / "sound.aac")
    assert pictures(tmp_path / "whole.mp4")[1][0] == 0
    assert abs(len(sound_of(tmp_path / "whole.mp4")) - len(sound_of(tmp_path / "film.mp4"))) <= 2048


def test_parts_of_one_file_that_touch_are_one_request(crawled: Crawled) -> None:
    asked = [one for one in crawled.site.requests if one[0].startswith(("/films/ts-parts/all", "/films/mp4-parts/all"))]
    assert asked.count(("/films/ts-parts/all.ts", 206)) == 2  # the film, and the one that asks for more than there is
    assert 1 <= asked.count(("/films/mp4-parts/all.m4s", 206)) <= 2


@pytest.mark.parametrize("product_id", HOSTILE)
def test_what_gives_no_film_is_one_reject_that_says_why(product_id: str, crawled: Crawled) -> None:
    _, reason, word = HOSTILE[product_id]
    (row,) = crawled.rejects[product_id]
    assert row["reason"] == reason
    assert word in row["message"]
    assert product_id not in read_catalog(crawled.workspace.data)


def test_pieces_are_asked_for_as_everything_else_is(crawled: Crawled) -> None:
    asked = [path for path, _ in crawled.site.requests]
    assert asked.count("/robots.txt") == 1
    assert not any(path.startswith("/private") or path.endswith("huge.ts") for path in asked)
    assert crawled.elsewhere.requests == []
    assert asked.count("/films/master/huge.m3u8") == 1  # looked at, and too large by its bit rate
    assert asked.count("/films/itself/film.m3u8") == 2


def test_nothing_is_left_lying_about(crawled: Crawled) -> None:
    assert list(crawled.workspace.root.rglob(f"{TEMPORARY_PREFIX}*")) == []
    staging = next((crawled.workspace.state / "crawl").rglob("staging"))
    assert len(list(staging.iterdir())) in (0, len(crawled.films))


def test_a_second_crawl_fetches_what_changed_and_a_piece_that_is_away_costs_nothing(crawled: Crawled) -> None:
    before = {name: crawled.film(name).read_bytes() for name in crawled.films}
    crawled.site.requests.clear()
    crawled.site.pages["/films/ts/film.m3u8"].body += b"\n"
    crawled.site.add("/films/ts/piece3.ts", b"", status=503)
    summary = crawl(crawled.workspace, crawled.site.params(max_video_mb=1))
    assert (summary.complete, summary.num_unchanged, summary.num_dropped, summary.num_new) == (
        False,
        len(crawled.films),
        0,
        0,
    )
    rows = map(json.loads, (crawled.workspace.data / "rejects.jsonl").read_text().splitlines())
    (row,) = (row for row in rows if row["product_id"] == "ts")
    assert (row["reason"], row["failed"]) == ("http_error", True)
    assert "piece 4 of 6" in row["message"]
    asked = [path for path, _ in crawled.site.requests]
    assert not any("best" in path or path.endswith(("init.mp4", "piece1.m4s")) for path in asked)
    assert {name: crawled.film(name).read_bytes() for name in crawled.films} == before


def test_addresses_are_relative_to_the_playlist() -> None:
    text = media("1.ts", "../b/2.ts", "/3.ts?x=1", "//other.example/4.ts", "https://x.example/5.ts")
    found = read_playlist(f"\ufeff{text}".replace("\n", "\r\n").encode(), URL)
    assert isinstance(found, Pieces)
    assert tuple(part.url for part in found.parts) == (
        "https://cdn.example/films/a/1.ts",
        "https://cdn.example/films/b/2.ts",
        "https://cdn.example/3.ts?x=1",
        "https://other.example/4.ts",
        "https://x.example/5.ts",
    )
    assert (found.init, found.duration_s) == (None, 5.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#EXTM3U",
        "#EXTM3U8\n1.ts",
        HEAD + "1.ts\n#EXT-X-ENDLIST",
        HEAD + "#EXTINF:nan,\n1.ts\n#EXT-X-ENDLIST",
        HEAD + "#EXTINF:-1,\n1.ts\n#EXT-X-ENDLIST",
        HEAD + "#EXTINF:1,\nhttp://[\n#EXT-X-ENDLIST",
        media("1.ts", tags="#EXT-X-MAP:BANDWIDTH=1\n"),
        media("1.ts", tags='#EXT-X-MAP:URI="a.mp4"\n#EXT-X-MAP:URI="b.mp4"\n'),
        media("1.ts", tags='#EXT-X-MAP:URI="a.mp4",BYTERANGE="9@x"\n'),
        media("1.ts", tags="#EXT-X-BYTERANGE:9\n"),
        media("1.ts", tags="#EXT-X-BYTERANGE:0@0\n"),
        media("1.ts", tags="#EXT-X-KEY:METHOD=\x1b[31m\n"),
        media("1.ts", tags="#EXT-X-KEY:\n"),
        media("1.ts", tags="#EXT-X-STREAM-INF:BANDWIDTH=1\n"),
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n",
        media("x" * 5000),
    ],
)  # fmt: skip
def test_what_is_no_playlist_of_a_film_is_a_reject(text: str) -> None:
    with pytest.raises(ItemRejectedError) as error:
        read_playlist(text.encode(), URL)
    assert error.value.reason == "not_a_video"
    assert error.value.message.isprintable()


def test_bytes_that_are_no_text_are_a_reject() -> None:
    with pytest.raises(ItemRejectedError, match="UTF-8"):
        read_playlist(b"#EXTM3U\n\xff\xfe", URL)
