"""HLS playlists (RFC 8216), read strictly: a finished film in plain pieces, or a reject that says what it is instead.

Read are master playlists with variants and the sound that belongs to them, and media playlists of MPEG-TS or fragmented
MP4, whose pieces may be byte ranges of larger files. Not read, and rejects, are live, encrypted and spliced films, and
gaps.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from urllib.parse import urljoin

from pvtt.crawl.text import MAX_URL
from pvtt.items.runner import ItemRejectedError

MAX_PLAYLIST_BYTES = 1_000_000
MAX_PIECES = 5000  # of one film: four hours in pieces of three seconds
_MARK = "#EXTM3U"
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)(?:,|$)')
_RESOLUTION = re.compile(r"(\d{1,5})x(\d{1,5})")
_NOT_READ = {
    "#EXT-X-DISCONTINUITY": "it is spliced of several films",
    "#EXT-X-GAP": "pieces of it are missing",
    "#EXT-X-I-FRAMES-ONLY": "it names single frames",
}


@dataclass(frozen=True)
class Variant:
    """One of a master playlist's renditions of the same film."""

    url: str
    num_pixels: int  # of a frame; 0 where it does not say
    bit_rate: int  # a second, on average where it says so, else at most; 0 where it does not say
    sound: str | None = None  # the playlist of its sound; None: it is among the pictures' pieces, or there is none


@dataclass(frozen=True)
class Part:
    """A file, or `length` bytes of it from `begin` on."""

    url: str
    begin: int = 0
    length: int | None = None  # None: all of it


@dataclass(frozen=True)
class Pieces:
    """A media playlist."""

    init: Part | None  # what goes before fragments of MP4; None: MPEG-TS
    parts: tuple[Part, ...]
    duration_s: float

    def files(self) -> list[Part]:
        """All of it in order; parts of one file that touch are one."""
        found: list[Part] = []
        for part in (*([] if self.init is None else [self.init]), *self.parts):
            last = found[-1] if found else None
            if (
                last is not None
                and last.length is not None
                and part.length is not None
                and (last.url, last.begin + last.length) == (part.url, part.begin)
            ):
                found[-1] = Part(last.url, last.begin, last.length + part.length)
            else:
                found.append(part)
        return found


def is_playlist(head: bytes) -> bool:
    """Whether a file begins as a playlist does."""
    return head.removeprefix(b"\xef\xbb\xbf").startswith(_MARK.encode())


def fault(message: str) -> ItemRejectedError:
    """What to raise of a playlist that gives no film."""
    return ItemRejectedError("not_a_video", f"an HLS playlist that gives no film: {message}")


def read_playlist(body: bytes, url: str) -> tuple[Variant, ...] | Pieces:
    """Read a playlist.

    Args:
        body: The file.
        url: Where it came from, after redirects.

    Returns:
        A master's variants, the largest first, or the pieces of a film.

    Raises:
        ItemRejectedError: `not_a_video` or `too_large`; says what it is.
    """
    try:
        lines = [line.strip() for line in body.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise fault("it is not text in UTF-8") from None
    lines = [line for line in lines if line]
    if not lines or lines[0] != _MARK:
        raise fault(f"it does not begin with {_MARK}")
    names = {line.partition(":")[0] for line in lines if line.startswith("#")}
    _check_keys(lines)
    if "#EXT-X-STREAM-INF" in names:
        if names & {"#EXTINF", "#EXT-X-TARGETDURATION"}:
            raise fault("it is a master's and a film's at once")
        return _variants(lines, url)
    for name, message in _NOT_READ.items():
        if name in names:
            raise fault(f"{message} ({name})")
    if "#EXT-X-ENDLIST" not in names:
        raise fault("it is of a live stream, or not whole (no #EXT-X-ENDLIST)")
    return _pieces(lines, url)


def _check_keys(lines: list[str]) -> None:
    for line in lines:
        name, _, rest = line.partition(":")
        if name in ("#EXT-X-KEY", "#EXT-X-SESSION-KEY"):
            method = _attributes(rest).get("METHOD", "")
            if method != "NONE":
                shown = method if re.fullmatch(r"[A-Z0-9-]{1,30}", method) else "an unknown way"
                raise fault(f"it is encrypted ({shown})")


def _variants(lines: list[str], url: str) -> tuple[Variant, ...]:
    found: dict[str, Variant] = {}
    sounds = _sounds(lines, url)
    told: dict[str, str] | None = None
    for line in lines:
        if line.startswith("#EXT-X-STREAM-INF:"):
            told = _attributes(line.partition(":")[2])
        elif not line.startswith("#") and told is not None:
            size = _RESOLUTION.fullmatch(told.get("RESOLUTION", ""))
            num_pixels = int(size[1]) * int(size[2]) if size else 0
            rate = told.get("AVERAGE-BANDWIDTH") or told.get("BANDWIDTH", "")
            place = _place(url, line)
            bit_rate = int(rate) if re.fullmatch(r"\d{1,12}", rate) else 0
            found.setdefault(place, Variant(place, num_pixels, bit_rate, sounds.get(told.get("AUDIO", ""))))
            told = None
        if len(found) > MAX_PIECES:
            raise ItemRejectedError("too_large", f"an HLS playlist of more than {MAX_PIECES} variants")
    if not found:
        raise fault("it names no variant")
    return tuple(sorted(found.values(), key=lambda one: (-one.num_pixels, -one.bit_rate, one.url)))


def _sounds(lines: list[str], url: str) -> dict[str, str]:
    """Each group's sound that is played where nobody chooses: its playlist, where it has one of its own."""
    groups: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        told = _attributes(line.partition(":")[2]) if line.startswith("#EXT-X-MEDIA:") else {}
        if told.get("TYPE") == "AUDIO":
            groups.setdefault(told.get("GROUP-ID", ""), []).append(told)
    chosen = {
        group: next((one for one in sounds if one.get("DEFAULT") == "YES"), sounds[0])
        for group, sounds in groups.items()
    }
    return {group: _place(url, one["URI"]) for group, one in chosen.items() if "URI" in one}


def _pieces(lines: list[str], url: str) -> Pieces:
    init: Part | None = None
    parts: list[Part] = []
    duration_s = 0.0
    awaited = False
    part_of = ""
    for line in lines:
        if line.startswith("#EXTINF:"):
            seconds = re.match(r"\d{1,6}(\.\d{1,9})?", line.partition(":")[2])
            if seconds is None:
                raise fault(f"a piece has no length: {line[:60]}")
            duration_s += float(seconds[0])
            awaited = True
        elif line.startswith("#EXT-X-BYTERANGE:"):
            part_of = line.partition(":")[2]
        elif line.startswith("#EXT-X-MAP:"):
            told = _attributes(line.partition(":")[2])
            place = _part(_place(url, told.get("URI", "")), told.get("BYTERANGE", ""), Part("", 0, 0))
            if (init is not None and init != place) or parts:
                raise fault("it is spliced of several films (#EXT-X-MAP)")
            init = place
        elif not line.startswith("#"):
            if not awaited:
                raise fault(f"a line is no piece: {line[:60]}")
            if len(parts) == MAX_PIECES:
                raise ItemRejectedError("too_large", f"an HLS playlist of more than {MAX_PIECES} pieces")
            place_url = _place(url, line)
            before = parts[-1] if parts and parts[-1].url == place_url else None
            parts.append(_part(place_url, part_of, before))
            awaited, part_of = False, ""
    if not parts or not math.isfinite(duration_s):
        raise fault("it names no piece")
    return Pieces(init, tuple(parts), duration_s)


def _part(place: str, told: str, before: Part | None) -> Part:
    """A file, or the part of it that is told as `length[@begin]`; without `begin` it follows the part before."""
    if not told:
        return Part(place)
    numbers = re.fullmatch(r"(\d{1,15})(?:@(\d{1,15}))?", told)
    if numbers is None or int(numbers[1]) == 0:
        raise fault(f"a part of a file is none: {told[:60]}")
    if numbers[2] is not None:
        return Part(place, int(numbers[2]), int(numbers[1]))
    if before is None or before.length is None:
        raise fault(f"a part of a file begins nowhere: {told[:60]}")
    return Part(place, before.begin + before.length, int(numbers[1]))


def _place(url: str, named: str) -> str:
    try:
        place = urljoin(url, named)
    except ValueError:
        place = ""
    if not named or not place or len(place) > MAX_URL:
        raise fault(f"an address in it is none: {named[:60]}")
    return place


def _attributes(text: str) -> dict[str, str]:
    """Names and values of a tag; the first of a name counts."""
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(text):
        found.setdefault(name, value.strip('"'))
    return found
