"""The paths of a robots.txt: what one of its lines covers (RFC 9309, 2.2.2 and 2.2.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

_OTHER_ENCODINGS = ("gb18030", "latin-1")  # what a robots.txt may be in that is not UTF-8
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, 2.3
_AS_THEY_ARE = _UNRESERVED | frozenset(b":[]@!&'()+,;=")  # reserved ones too, where nothing depends on their escape
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Rule:
    """One Allow or Disallow line that counts for this crawler.

    Args:
        allow: Whether it allows.
        pattern: The normalised path, split at its wildcards.
        at_end: Whether the path must end where the pattern does (`$`).
        line: The line as it stands, with its number, for a person.
    """

    allow: bool
    pattern: tuple[str, ...]
    at_end: bool
    line: str

    @property
    def num_octets(self) -> int:
        """How specific it is: the octets of its pattern."""
        return sum(map(len, self.pattern)) + len(self.pattern) - 1 + self.at_end

    def matches(self, path: str) -> bool:
        """Whether it covers a path as `normal_path` gives it; takes linear time for each part of the pattern."""
        first, *others = self.pattern
        if not path.startswith(first):
            return False
        if not others:
            return not self.at_end or len(path) == len(first)
        position = len(first)
        *middle, last = others
        for part in middle:
            found = path.find(part, position)
            if found < 0:
                return False
            position = found + len(part)
        if self.at_end:
            return path.endswith(last) and len(path) - len(last) >= position
        return path.find(last, position) >= 0


def rules_of_line(allow: bool, value: str, line: str) -> Iterator[Rule]:
    """The rules that an Allow or Disallow line makes: none where its path is empty or none.

    Args:
        allow: Whether it is an Allow line.
        value: Its path; octets that are not UTF-8 as surrogates.
        line: The line, for a person.
    """
    if not value:
        return
    if not value.startswith(("/", "*")):
        if allow or "://" in value:
            return
        value = f"/{value}"
    for spelling in [value] if allow else _spellings(value):
        at_end = spelling.endswith("$")
        pattern = _normal(spelling.removesuffix("$"), in_pattern=True)
        yield Rule(allow, tuple(re.sub(r"\*+", "*", pattern).split("*")), at_end, line)


def _spellings(value: str) -> list[str]:
    """A path as it stands and, where it is not UTF-8, as what its owner may have meant."""
    octets = value.encode("utf-8", "surrogateescape")
    found = {value: None}
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        for encoding in _OTHER_ENCODINGS:
            found.setdefault(octets.decode(encoding, "ignore"))
    return list(found)


def _normal(path: str, *, in_pattern: bool) -> str:
    head, mark, query = path.encode("utf-8", "surrogateescape").partition(b"?")
    wildcard = b"*" if in_pattern else b""
    # In a query, `/` and `?` delimit nothing: their escapes say the same.
    return _octets(head, b"/" + wildcard, b"") + mark.decode() + _octets(query, b"/?" + wildcard, b"/?")


def _octets(piece: bytes, also_kept: bytes, also_unescaped: bytes) -> str:
    kept, unescaped = _AS_THEY_ARE.union(also_kept), _AS_THEY_ARE.union(also_unescaped)
    found = []
    for number, part in enumerate(_ESCAPE.split(piece)):
        octets, plain = (bytes([int(part, 16)]), unescaped) if number % 2 else (part, kept)
        found += [chr(octet) if octet in plain else f"%{octet:02X}" for octet in octets]
    return "".join(found)


def normal_path(url: str) -> str:
    """The path and query of a URL, spelled so that equal ones are equal octet by octet (2.2.2).

    >>> normal_path("https://shop.example/caf%c3%a9/%62%61%7a?q=http%3A%2F%2Fa#top")
    '/caf%C3%A9/baz?q=http://a'
    """
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if "?" in url.partition("#")[0] else "")
    return _normal(path, in_pattern=False)
