"""What pages say, as clean text: no markup, no style rules, no entities, no mojibake, no shop's name in a title."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

from pvtt.crawl.drafts import UNCATEGORISED, MediaRef

MAX_TITLE = 300  # characters kept of what a page says
MAX_CATEGORY = 100
MAX_DESCRIPTION = 5000
MAX_URL = 2000

_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9:-]*)(?:\s[^<>]*)?/?>|<!--.*?(?:-->|$)|<![A-Za-z][^<>]*>", re.DOTALL)
_UNSEEN = re.compile(r"<(script|style|noscript|template)\b[^<>]*>.*?(?:</\1\s*>|$)", re.DOTALL | re.IGNORECASE)
_STYLE_RULE = re.compile(r"(?:[.#@][\w-][^{}<>]{0,200}|(?<![^\s}])[a-z][a-z0-9]{0,9}\s*)\{[^{}:]*:[^{}]*\}")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_BREAD_CRUMB = re.compile(r"\s*(?:[>/»›→]|&gt;)\s*")
_BETWEEN = re.compile(r"\s+[|–—·•~»«-]+\s+|\s*[|｜]+\s*|\s*::\s*|\s+:\s+")
_NO_VALUE = {"", "null", "none", "undefined", "n/a", "na", "nan", "-", "false", "true", "0", "default", "sku", "mpn"}
_ID_SCHEME = re.compile(r"^(?:sku|mpn|gtin(?:8|1[234])?|isbn|upc|ean|asin|productid)\s*[:#]\s*", re.IGNORECASE)
_MAX_ENTITIES = 3  # times that a shop may have escaped its text
_AFTER_A_SHOP = ("shop", "store", "onlineshop", "onlinestore", "com", "official", "officialsite", "inc", "ltd", "gmbh")
_BEFORE_A_SHOP = ("at", "buyat", "shop", "the", "www", "from")
_MARKUP = ("svg", "path", "picture", "source", "video", "section", "article", "main", "figure", "template")
_NOT_MEDIA = ("data:", "blob:", "about:", "javascript:")


def plain_text(value: Any, limit: int) -> str:
    """A page's value as one line of text without markup: the first of a list, a thing's name, or a number in digits."""
    for _ in range(4):
        if isinstance(value, list):
            value = value[0] if value else ""
        elif isinstance(value, dict):
            value = value.get("@value") or value.get("name") or ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return _clean(str(value)[: 4 * limit])[:limit].strip().encode("utf-8", "replace").decode()


def plain_lines(value: str, limit: int) -> list[str]:
    """The lines of a text, each clean, without empty ones."""
    return [line for line in (plain_text(line, limit) for line in value[: 4 * limit].splitlines()) if line]


def plain_category(value: Any) -> str:
    """The last step of a category path such as `Home > Jewellery > Rings`; nothing of a bare number or a URL."""
    text = plain_text(value, MAX_DESCRIPTION)
    if "://" in text or text.isdecimal():
        return UNCATEGORISED
    steps = [step for step in _BREAD_CRUMB.split(text) if step]
    return (steps[-1] if steps else "")[:MAX_CATEGORY].strip() or UNCATEGORISED


def plain_id(value: Any) -> str:
    """A shop's id without a scheme before it (`sku:17`); empty where a template was not filled in.

    >>> plain_id("mpn: 17-B"), plain_id("N/A"), plain_id("{{ sku }}")
    ('17-B', '', '')
    """
    text = plain_text(value, MAX_TITLE)
    text = _ID_SCHEME.sub("", text)
    return "" if text.casefold() in _NO_VALUE or re.search(r"[{}<>]|\$\(", text) or len(text) > 100 else text


def plain_title(value: Any, shops: Iterable[str] = ()) -> str:
    """A product's title without the shop's name before or after it.

    Args:
        value: What the page says.
        shops: What the shop calls itself: names and host.
    """
    title = plain_text(value, MAX_TITLE)
    names = {key for key in map(_key, shops) if len(key) > 1}
    for _ in range(3):
        found = list(_BETWEEN.finditer(title))
        if not found:
            break
        head, tail = title[: found[-1].start()], title[found[-1].end() :]
        first, rest = title[: found[0].start()], title[found[0].end() :]
        if head and _is_shop(tail, names):
            title = head
        elif rest and _is_shop(first, names):
            title = rest
        else:
            break
    return title.strip()


def same_text(one: str, other: str) -> bool:
    """Whether two texts agree in their letters and digits."""
    return bool(_key(one)) and _key(one) == _key(other)


def media_refs(values: Iterable[tuple[Any, str | None]], base: str) -> tuple[MediaRef, ...]:
    """Distinct references of (URL, licence) pairs, made absolute, in their order; placeholders in the page are none."""
    refs: dict[str, MediaRef] = {}
    page = base.partition("#")[0]
    for value, license_ in values:
        if isinstance(value, str) and value.strip() and not value.strip().lower().startswith(_NOT_MEDIA):
            url = absolute(base, value).partition("#")[0][:MAX_URL].encode("utf-8", "replace").decode()
            if url and url != page:  # an empty reference made absolute is the page itself
                refs.setdefault(url, MediaRef(url=url, license=license_))
    return tuple(refs.values())


def absolute(base: str, value: str) -> str:
    """A URL made absolute; itself where it is none."""
    try:
        url = urljoin(base, value.strip())
        urlsplit(url).port  # noqa: B018  it reads the port, and refuses what is none
    except ValueError:
        return value.strip()
    return url


def _clean(text: str) -> str:
    for _ in range(_MAX_ENTITIES):
        unescaped = html.unescape(_without_markup(text))
        if unescaped == text:
            break
        text = unescaped
    if not text.isascii():
        import ftfy

        text = ftfy.fix_encoding(text)
    return " ".join(_INVISIBLE.sub("", text).split())


def _without_markup(text: str) -> str:
    if "<" in text:
        text = _TAG.sub(_space_for_a_tag, _UNSEEN.sub(" ", text))
    return _STYLE_RULE.sub(" ", text) if "{" in text else text


def _space_for_a_tag(match: re.Match[str]) -> str:
    from lxml.html.defs import tags

    name = (match[1] or "").lower()
    is_tag = not name or name in tags or name in _MARKUP or ":" in name or "-" in name
    return " " if is_tag else match[0]


def _key(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _is_shop(part: str, names: set[str]) -> bool:
    key = _key(part)
    return any(
        key == name
        or (key.startswith(name) and key[len(name) :] in _AFTER_A_SHOP)
        or (key.endswith(name) and key[: -len(name)] in _BEFORE_A_SHOP)
        for name in names
    )
