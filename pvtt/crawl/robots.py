"""robots.txt as RFC 9309 says: what a site lets this crawler fetch, from the bytes and the status of that file.

Pure: `pvtt.crawl.polite` fetches it. Where the RFC leaves a choice, the stricter one is taken.
"""

from __future__ import annotations

import codecs
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from pvtt.crawl.pace import TOO_MANY_REQUESTS
from pvtt.crawl.robots_rule import Rule, normal_path, rules_of_line

PRODUCT_TOKEN = "pvtt"  # the name that a User-agent line of ours bears; of letters, `-` and `_` (2.2.1)
MAX_ROBOTS_BYTES = 500 * 1024  # what is read of a robots.txt: the least that 2.5 allows

# Spellings that site owners use and other crawlers honour. They name or forbid something; Allow has to be exact.
_USER_AGENT = {"user-agent", "useragent", "user agent"}
_DISALLOW = {"disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"}
_CRAWL_DELAY = {"crawl-delay", "crawl delay"}
_LOOSE = re.compile(rf"({'|'.join(sorted(_USER_AGENT | _DISALLOW | _CRAWL_DELAY))})\s+(.*)", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z_-]+")
_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class RobotsUnreachableError(Exception):
    """What a robots.txt says cannot be known, so that the site is forbidden for now (2.3.1.4)."""


@dataclass(frozen=True)
class RobotsRules:
    """What a site's robots.txt says to this crawler.

    Args:
        rules: Those of the groups that bear our name, of `*` where none does.
        crawl_delay_s: Seconds between requests that it asks for; 0 where it asks for nothing.
    """

    rules: tuple[Rule, ...] = ()
    crawl_delay_s: float = 0.0

    def forbidding(self, url: str) -> str | None:
        """The line that forbids a URL; None where it may be fetched: the longest match decides, Allow at a tie."""
        path = normal_path(url)
        if path == "/robots.txt":
            return None
        matching = (rule for rule in self.rules if rule.matches(path))
        best = max(matching, key=lambda rule: (rule.num_octets, rule.allow), default=None)
        return None if best is None or best.allow else best.line


def rules_of(status: int, body: bytes) -> RobotsRules:
    """What the end of all redirects says.

    Args:
        status: Its HTTP status.
        body: The body, cut somewhere behind `MAX_ROBOTS_BYTES`.

    Raises:
        RobotsUnreachableError: A server error, a redirect that leads nowhere, or a body that cannot be read. 429 counts
            as one: it says that the server has no time, not that there is no robots.txt.
    """
    if 400 <= status < 500 and status != TOO_MANY_REQUESTS:
        return RobotsRules()
    if not 200 <= status < 300:
        raise RobotsUnreachableError(f"it answered with status {status}")
    return read_rules(body)


def unpacked(body: bytes, encoding: str) -> bytes:
    """A body without its Content-Encoding, also without a gzip that is not said, cut as `rules_of` has it.

    Raises:
        RobotsUnreachableError: It is not what it is said to be, or cut off: what is missing might forbid.
    """
    names = [name.strip().lower() for name in encoding.split(",") if name.strip()]
    if not names and body.startswith(b"\x1f\x8b"):
        names = ["gzip"]
    for name in reversed(names):
        if name == "identity":
            continue
        if name not in ("gzip", "x-gzip", "deflate"):
            raise RobotsUnreachableError(f"its Content-Encoding {name} was not asked for")
        unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib, by its first bytes
        try:
            body = unpacker.decompress(body, MAX_ROBOTS_BYTES + 1)
        except zlib.error:
            raise RobotsUnreachableError(f"its body is not the {name} that it is said to be") from None
        if not unpacker.eof and len(body) <= MAX_ROBOTS_BYTES:
            raise RobotsUnreachableError(f"its {name} body is cut off")
    return body


def read_rules(body: bytes) -> RobotsRules:
    """Read a robots.txt. Raises `RobotsUnreachableError` for bytes that are no text."""
    groups = list(_groups(_text(body)))
    own = [group for group in groups if PRODUCT_TOKEN in group.names]
    chosen = own or [group for group in groups if "*" in group.names]
    name = PRODUCT_TOKEN if own else "*"
    return RobotsRules(
        tuple(rule for group in chosen for rule in group.rules),
        max((group.delays.get(name, 0.0) for group in chosen), default=0.0),
    )


class _Group:
    """The lines between one run of User-agent lines and the next."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.rules: list[Rule] = []
        self.delays: dict[str, float] = {}


def _groups(text: str) -> Iterator[_Group]:
    group = _Group()
    has_rules = False
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        field, value = _field_and_value(raw)
        if field in _USER_AGENT:
            if has_rules:  # only a rule ends the User-agent lines: others "MUST NOT interfere" (2.2.4)
                yield group
                group, has_rules = _Group(), False
            group.names.add(_agent_name(value))
        elif field in _CRAWL_DELAY:
            group.delays |= dict.fromkeys(group.names, _seconds(value))
        elif field in _DISALLOW or field == "allow":
            has_rules = True
            shown = "".join(character for character in raw.strip()[:200] if character.isprintable())
            group.rules += rules_of_line(field == "allow", value, f"line {number}: {shown}")
    yield group


def _field_and_value(line: str) -> tuple[str, str]:
    line = line.partition("#")[0].strip()
    field, colon, value = line.partition(":")
    field = field.strip().lower()
    if colon and field in _USER_AGENT | _DISALLOW | _CRAWL_DELAY | {"allow"}:
        return field, value.strip()
    loose = _LOOSE.match(line)  # without its colon
    return (loose[1].lower(), loose[2].strip()) if loose else ("", "")


def _agent_name(value: str) -> str:
    """The product token of a User-agent line, without a version: `pvtt` of `PVTT/0.1`."""
    if re.match(r"\*(\s|$)", value):
        return "*"
    token = _TOKEN.match(value)
    return token[0].lower() if token else ""


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _text(body: bytes) -> str:
    """The file as text; octets that are not UTF-8 are kept as surrogates, since lines without them still count."""
    if len(body) > MAX_ROBOTS_BYTES:
        body = body[:MAX_ROBOTS_BYTES]
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]  # half a line may say something else
    encoding = next((encoding for mark, encoding in _BOMS.items() if body.startswith(mark)), None)
    if encoding is not None:
        return body.decode(encoding, "ignore")
    if b"\x00" in body:
        raise RobotsUnreachableError("it is not text in UTF-8")
    return body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
