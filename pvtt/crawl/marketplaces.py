"""JD, Taobao and Tmall: their item pages carry the product as data for their own scripts, and no schema.org.

The pages are readable as they are served and as a browser saves them. What needs a login says so in words.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from pvtt.crawl.drafts import UNCATEGORISED, PageRecord, ProductDraft, product_id_of
from pvtt.crawl.linked_data import as_list, lenient_json
from pvtt.crawl.markup import played_videos, resolve_lazy_media
from pvtt.crawl.text import MAX_CATEGORY, MAX_DESCRIPTION, MAX_TITLE, media_refs, plain_text

HOSTS = ("jd.com", "jd.hk", "taobao.com", "tmall.com", "tmall.hk")
LOGIN_HOSTS = ("passport.jd.com", "login.taobao.com", "login.tmall.com", "login.m.taobao.com", "plogin.m.jd.com",
               "cfe.m.jd.com")  # fmt: skip
NEEDS_LOGIN = (
    "the shop asks for a login or a captcha: save the item's page in a browser and crawl it with --source folder"
)
UNKNOWN_HOST = "saved.invalid"  # of a saved page that does not say where it was saved from
MAX_STATES = 10  # of one page that are read
MAX_LITERAL = 1_000_000  # characters of one
JD_IMAGES = "https://img14.360buyimg.com/n0/"  # the largest size that JD serves

_LOGIN_WALL = re.compile(
    r"punish-component|_____tmd_____|x5secdata|/member/login\.jhtml|login\.taobao\.com/member", re.I
)
_JD = re.compile(r"\bpageConfig\s*=.{0,2000}?\bproduct\s*:\s*\{", re.DOTALL)
_STATES = re.compile(
    r"(?:TShop\.Setup\s*\(|__ICE_APP_CONTEXT__\s*=|__ICE_APP_CONTEXT__\s*\|\|\s*\{\}\s*;\s*var\s+\w+\s*=|__INIT(?:IAL)?_(?:DATA|STATE)__?\s*=|__NEXT_DATA__[^>]*>|"
    r"\bg_config\s*=|\bidata\s*[:=]|Hub\.config\.set\s*\([^,]*,)\s*(?=\{)"
)
_STRING = r"""\s*["']?\s*:\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\d+))"""
_IDS = ("itemId", "item_id", "auctionId", "id", "numIid", "skuId", "wareId")
_PHOTOS = ("images", "auctionImages", "picsPath", "image", "pic", "mainPic")
_CATEGORIES = ("categoryName", "catName", "category", "leafCategoryName")
_BARE_QUOTE = re.compile(r'(?<!\\)"')
_VIDEO_KEY = re.compile(r"vid|ved", re.IGNORECASE)
_VIDEO_URL = re.compile(r"^(?:https?:)?//[^\s\"'<>]+\.(?:mp4|m3u8)(?:[?#]\S*)?$", re.IGNORECASE)
_SHOP_SUFFIX = re.compile(r"\s*(?:-\s*(?:淘宝网|tmall\.com天猫|天猫Tmall\.com|京东)|【.{0,20}】-京东)\s*$")
_THUMBNAIL = re.compile(r"(\.(?:jpg|jpeg|png|webp))_[^/]*$", re.IGNORECASE)  # of Taobao: x.jpg_430x430q90.jpg


def read_marketplace_page(text: str, url: str) -> PageRecord | None:
    """Read an item page of JD, Taobao or Tmall.

    Args:
        text: The decoded page.
        url: Where it came from, after redirects; of a saved page, what it was saved from.

    Returns:
        Its product, or why it is none; None for every other page.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return None
    if host in LOGIN_HOSTS:
        return PageRecord(problem=NEEDS_LOGIN)
    is_theirs = any(host == name or host.endswith(f".{name}") for name in HOSTS)
    draft = _jd_draft(text, url) if _JD.search(text) else None
    if draft is None and (is_theirs or host == UNKNOWN_HOST):
        draft = _taobao_draft(text, url)
    if draft is not None:
        return PageRecord(drafts=(draft,))
    if is_theirs and _LOGIN_WALL.search(text):
        return PageRecord(problem=NEEDS_LOGIN)
    return None


def _jd_draft(text: str, url: str) -> ProductDraft | None:
    found = _JD.search(text)
    assert found is not None
    data = text[found.end() : found.end() + 200_000]
    own_id = _field(data, "skuid") or _field(data, "skuId")
    title = plain_text(_field(data[data.find("skuid") :], "name"), MAX_TITLE) or _shown_title(text)
    if not own_id or not title:
        return None
    paths = [path for path in _array(data, "imageList") if isinstance(path, str)] or [_field(data, "src")]
    photos = [path if "//" in path else JD_IMAGES + path.lstrip("/") for path in paths if path]
    categories = [plain_text(name, MAX_CATEGORY) for name in _array(data, "catName")]
    return ProductDraft(
        product_id=product_id_of(own_id),
        title=title,
        category=next((name for name in reversed(categories) if name), UNCATEGORISED),
        page_url=f"https://item.jd.com/{own_id}.html" if not url.startswith("http") else url,
        videos=media_refs(((video, None) for video in _videos_in(text)), url),
        photos=media_refs(((photo, None) for photo in photos), "https://item.jd.com/"),
    )


def _taobao_draft(text: str, url: str) -> ProductDraft | None:
    states = list(_states(text))
    nodes = [node for state in states for node in _dicts(state)]
    best = next((node for node in nodes if _is_item(node)), None)
    title = plain_text(best["title"], MAX_TITLE) if best is not None else _shown_title(text)
    best = best or next((node for node in nodes if plain_text(node.get("itemId"), MAX_TITLE)), None)
    if best is None or not title:
        return None
    photos = [one for key in _PHOTOS for one in _strings(best.get(key))]
    photos = photos or [one for node in nodes for one in _strings(node.get("default"))] or _thumbnails(text)
    videos = [one for node in nodes for one in _video_strings(node)] or _videos_in(text)
    category = next((name for key in _CATEGORIES if (name := plain_text(best.get(key), MAX_CATEGORY))), "")
    return ProductDraft(
        product_id=product_id_of(next(found for key in _IDS if (found := plain_text(best.get(key), MAX_TITLE)))),
        title=title,
        category=category if category and not category.isdecimal() else UNCATEGORISED,
        description=plain_text(best.get("subtitle") or best.get("subTitle"), MAX_DESCRIPTION),
        page_url=url,
        videos=media_refs(((video, None) for video in videos), url),
        photos=media_refs(((_THUMBNAIL.sub(r"\1", photo), None) for photo in photos), url),
    )


def _shown_title(text: str) -> str:
    """The title that the page shows; empty where it shows none."""
    from parsel import Selector

    page = Selector(text=text)
    paths = ("//*[contains(@class, 'tb-main-title')]/@data-title", "//*[contains(@class, 'sku-name')]",
             "//*[contains(@class, 'tb-detail-hd')]//h1", "//h1", "//title")  # fmt: skip
    found = (plain_text(page.xpath(f"string({path})").get(""), MAX_TITLE) for path in paths)
    return _SHOP_SUFFIX.sub("", next((title for title in found if title), ""))


def _thumbnails(text: str) -> list[str]:
    """The photos below the large one, in the page's own markup."""
    found = re.search(r"id=[\"']J_UlThumb[\"'].*?</ul>", text, re.DOTALL)
    return re.findall(r"""\b(?:data-)?src=["']([^"']+)""", found[0]) if found else []


def _is_item(node: dict[str, Any]) -> bool:
    has_id = any(plain_text(node.get(key), MAX_TITLE) for key in _IDS)
    return has_id and isinstance(node.get("title"), str) and bool(plain_text(node["title"], MAX_TITLE)) and (
        any(key in node for key in _PHOTOS) or "itemId" in node
    )  # fmt: skip


def _states(text: str) -> Iterator[Any]:
    """The values that the page hands to its scripts, as far as they are JSON or close to it."""
    for match in islice(_STATES.finditer(text), MAX_STATES):
        literal = _balanced(text, match.end())
        try:
            yield from lenient_json(literal)
        except (ValueError, RecursionError):
            try:
                yield from lenient_json(_quoted(literal))
            except (ValueError, RecursionError):
                continue


def _balanced(text: str, start: int) -> str:
    """The object literal that begins at `start`, to its last bracket."""
    depth, quote, position = 0, "", start
    end = min(len(text), start + MAX_LITERAL)
    while position < end:
        character = text[position]
        if character == "\\":
            position += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if depth == 0:
                return text[start : position + 1]
        position += 1
    return text[start:]


def _quoted(literal: str) -> str:
    """An object literal of JavaScript as JSON: single quotation marks, bare keys, and expressions that are no value."""

    def string(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[0]
        if match[2] is not None:
            return '"' + _BARE_QUOTE.sub(r'\\"', match[2].replace("\\'", "'")) + '"'
        return f'{match[3]}"{match[4]}":'

    token = r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([{,]\s*)([\w$]+)\s*:"""
    text = re.sub(token, string, literal)
    return re.sub(r'(:\s*)(?!true\b|false\b|null\b|[-\d"\[{\s])[^,}\]"]{0,500}(?=[,}])', r"\1null", text)


def _field(data: str, name: str) -> str:
    """A string or number of an object literal; empty where it has none of that name."""
    found = re.search(rf"""["']?\b{name}{_STRING}""", data)
    if found is None:
        return ""
    raw = next(group for group in found.groups() if group is not None)
    try:
        return str(
            json.loads('"' + raw.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"') + '"', strict=False)
        )
    except ValueError:
        return raw


def _array(data: str, name: str) -> list[Any]:
    found = re.search(rf"""["']?\b{name}["']?\s*:\s*(?=\[)""", data)
    if found is None:
        return []
    literal = _balanced(data, found.end())
    try:
        return [one for value in lenient_json(_quoted(literal)) for one in as_list(value)]
    except (ValueError, RecursionError):
        return []


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    """All objects within a value, the outer ones first."""
    pending = deque([value])
    while pending:
        one = pending.popleft()
        if isinstance(one, dict):
            yield one
            pending += [inner for inner in one.values() if isinstance(inner, dict | list)]
        elif isinstance(one, list):
            pending += [inner for inner in one if isinstance(inner, dict | list)]


def _strings(value: Any) -> list[str]:
    values = [one.get("url") if isinstance(one, dict) else one for one in as_list(value)]
    return [one for one in values if isinstance(one, str) and one.strip()]


def _video_strings(node: dict[str, Any]) -> list[str]:
    named = [one for key, value in node.items() if _VIDEO_KEY.search(key) for one in _strings(value)]
    own = [value for value in node.values() if isinstance(value, str) and ".mp4" in value]
    return [one for one in (*named, *own) if _VIDEO_URL.match(one)]


def _videos_in(text: str) -> list[str]:
    """Video files that the page plays; else those that it names in its scripts."""
    from parsel import Selector

    page = Selector(text=text)
    played = []
    if hasattr(page.root, "iter"):
        resolve_lazy_media(page.root)
        played = played_videos(page)
    named = re.findall(r"""["'(]((?:https?:)?//[^\s"'<>()]+\.mp4(?:\?[^\s"'<>()]*)?)["')]""", text)
    return played or named
