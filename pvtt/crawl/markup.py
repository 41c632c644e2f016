"""What a page's markup says beside its structured data: meta tags, headings, breadcrumbs, photos and videos."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pvtt.crawl.text import MAX_TITLE, plain_text, plain_title

PLACEHOLDER = re.compile(
    r"^(?:data:|about:|blob:|javascript:|#|$)|(?:^|[/_-])(?:placeholder|blank|spacer|pixel|loading|loader|lazy|lazyload|"
    r"transparent|clear|empty|grey|gray|no-?image|1x1)(?:[._-][\w.-]*)?\.(?:gif|png|svg|jpe?g|webp)(?:[?#]|$)",
    re.IGNORECASE,
)
LAZY_IMAGE = (
    "data-zoom-image", "data-zoom", "data-large_image", "data-large-image", "data-large", "data-old-hires",
    "data-hires", "data-full", "data-fullsize", "data-big", "data-original", "data-lazy-src", "data-lazy",
    "data-src", "data-image", "data-echo", "data-ks-lazyload", "data-img", "lazy-src",
)  # fmt: skip
NUM_ZOOM = 9  # of the above name a photo larger than `srcset` does
LAZY_VIDEO = ("data-src", "data-lazy-src", "data-video-src", "data-video", "data-mp4", "data-url", "data-original")
MAX_SRCSET = 20_000  # characters
LAZY_SRCSET = ("srcset", "data-srcset", "data-lazy-srcset")
_SRCSET = re.compile(r"\s*,*\s*(\S+?)(?:,+(?=\s)|,*\s*$|\s+([\d.]+)([wxh])?[^,]*(?:,|$))")
_UNREADABLE = re.compile(r"\.(?:svg|gif|avif|ico)(?:[?#]|$)", re.IGNORECASE)
_HLS = re.compile(r"\.m3u8(?:[?#]|$)", re.IGNORECASE)
_WIDTH_TEMPLATE = re.compile(r"_\{width\}x(?:\{height\})?|(?<==)\{width\}")
_APART = re.compile(
    r"related|recommend|similar|recently|upsell|cross-?sell|also-?(?:like|bought)|you-?may|suggest|carousel-products|"
    r"footer|site-?header|page-?header|\bnav|menu|minicart|cart-?drawer|review|payment|newsletter|"
    r"sponsor|advert|multi-?brand|influencer|thumbnail-?preview",
    re.IGNORECASE,
)
_NO_PHOTO = re.compile(r"logo|icon|swatch|badge|banner|rating|payment|avatar|flag", re.IGNORECASE)
_APART_TAGS = ("header", "footer", "nav", "aside")
_GALLERY = re.compile(
    r"gallery|product[-_]?(?:image|photo|media|img|slide|main)|(?:main|primary|hero)[-_]?image|zoom|imgtag|landingimage|"
    r"image[-_]?(?:main|viewer|block)|pdp|slick|swiper",
    re.IGNORECASE,
)
PRODUCT_NAME = re.compile(
    r"(?:product|item|pdp|goods)[-_]*(?:\w+[-_]+)*(?:title|name)|(?:^|\s)name(?:\s|$)", re.IGNORECASE
)
_LOWER = "translate({}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')"
_UNSEEN = " or ".join(f"ancestor-or-self::{tag}" for tag in ("script", "style", "noscript", "template"))


def resolve_lazy_media(root: Any) -> None:
    """Give every image and video of a tree the `src` that a reader would see: the largest that the markup names."""
    for image in root.iter("img"):
        best = _largest(image)
        if best:
            image.set("src", best)
        elif PLACEHOLDER.search((image.get("src") or "").strip()):
            image.attrib.pop("src", None)
    for video in [*root.iter("video"), *root.iter("source")]:
        src = (video.get("src") or "").strip()
        if not src or PLACEHOLDER.search(src):
            video.attrib.pop("src", None)
            lazy = next((video.get(name) for name in LAZY_VIDEO if (video.get(name) or "").strip()), None)
            if lazy and not lazy.lstrip().startswith(("{", "[")):
                video.set("src", lazy.strip())


def meta_tags(page: Any) -> list[tuple[str, str]]:
    """(name in lower case, content) of a page's meta tags, in their order: OpenGraph, Twitter and plain ones."""
    tags = ((tag.get("property") or tag.get("name") or "", tag.get("content") or "") for tag in page.root.iter("meta"))
    return [(name.strip().lower(), content.strip()) for name, content in tags if name.strip() and content.strip()]


def headings(page: Any, shops: tuple[str, ...]) -> list[str]:
    """The page's first-level headings, clean: first one that is marked as a product's, then one that its title has."""
    title = plain_text(page.xpath("string(//title)").get(""), 2 * MAX_TITLE).casefold()
    found = []
    for heading in page.root.iter("h1"):
        named = [one for one in heading.iter() if isinstance(one.tag, str) and PRODUCT_NAME.search(about(one))]
        text = plain_title(seen_text(named[-1]), shops) if named else ""
        text = text or plain_title(seen_text(heading), shops)
        inner = (one for one in heading.iter() if isinstance(one.tag, str))
        marks = " ".join(f"{about(one)} {one.get('itemprop') or ''}" for one in inner)
        if text:
            found.append((not PRODUCT_NAME.search(marks), text.casefold() not in title, text))
    return list(dict.fromkeys(text for _, _, text in sorted(found, key=lambda one: one[:2])))


def breadcrumbs(page: Any) -> list[str]:
    """The steps of the first breadcrumb navigation that the page shows, without separators."""
    lower = {name: _LOWER.format(f"@{name}") for name in ("class", "id", "aria-label", "data-testid")}
    wanted = " or ".join(f"contains({value}, 'breadcrumb')" for value in lower.values())
    for box in page.root.xpath(f"//*[{wanted}][.//a]"):
        steps = [plain_title(seen_text(step), ()) for step in box.xpath(".//li") or box.xpath(".//a")]
        steps = [step.strip(" >/»›→|") for step in steps]
        if any(steps):
            return [step for step in steps if step]
    return []


def product_photos(page: Any, titles: tuple[str, ...]) -> Iterator[str]:
    """Photos that the markup shows as the page's product: its gallery, and images that bear its title."""
    names = {title.casefold() for title in titles}
    later = []
    for image in page.root.iter("img"):
        src = (image.get("src") or "").strip()
        if not src or _UNREADABLE.search(src) or _small(image):
            continue
        if _is_apart(image) or _NO_PHOTO.search(about(image)):
            continue
        around = " ".join(about(one) for one in (image, *list(image.iterancestors())[:8]))
        alt = (image.get("alt") or "").strip().casefold()
        if image.get("itemprop") == "image" or (
            alt and any(alt in name or name in alt for name in names if len(alt) > 3)
        ):
            yield src
        elif _GALLERY.search(around):
            later.append(src)
    yield from later


def played_videos(page: Any) -> list[str]:
    """Videos that the page plays: of each player the file that is read best, a playlist last.

    Players among other products, in advertisements and in reviews are left out.
    """
    found = []
    for video in page.root.iter("video"):
        if _is_apart(video):
            continue
        sources = [(video.get("src") or "", video.get("type") or "")]
        sources += [(one.get("src") or "", one.get("type") or "") for one in video.iter("source")]
        usable = [
            src for src, kind in sources if src and (not kind or re.search("^video/|mpegurl", kind, re.IGNORECASE))
        ]
        if usable:
            found.append(min(usable, key=_video_rank))
    return found


def largest_of_srcset(srcset: str) -> str:
    """The widest candidate of a `srcset`; empty where it names none."""
    found = [
        (float(match[2] or 1), match[1])
        for match in _SRCSET.finditer(srcset[:MAX_SRCSET])
        if match[1] and _number(match[2])
    ]
    found = [(size, url) for size, url in found if not PLACEHOLDER.search(url)]
    return max(found, key=lambda one: one[0])[1] if found else ""


def _largest(image: Any) -> str:
    sets = [image.get(name) for name in LAZY_SRCSET]
    picture = next(image.iterancestors("picture"), None)
    if picture is not None:
        readable = [one for one in picture.iter("source") if "avif" not in (one.get("type") or "")]
        sets += [one.get(name) for one in readable for name in LAZY_SRCSET]
    lazy = [image.get(name) or "" for name in LAZY_IMAGE]
    zoomed = [url for url in lazy[:NUM_ZOOM] if url]
    candidates = [*zoomed, *(largest_of_srcset(one) for one in sets if one), *lazy, image.get("src") or ""]
    for url in candidates:
        url = _WIDTH_TEMPLATE.sub("", url.strip())
        if re.search(r"^[^\s{\[]+[./][^\s{]+$", url) and not PLACEHOLDER.search(url):
            return url
    return ""


def _is_apart(element: Any) -> bool:
    """Whether an element stands in a part of the page that is not about the page's product."""
    around = [element, *(one for one in element.iterancestors() if one.tag not in ("body", "html"))]
    return any(one.tag in _APART_TAGS for one in around) or any(_APART.search(about(one)) for one in around[:9])


def _number(text: str | None) -> bool:
    return text is None or text.replace(".", "", 1).isdigit()


def _video_rank(url: str) -> int:
    path = url.partition("?")[0].lower()
    rank = next((rank for rank, end in enumerate((".mp4", ".m4v", ".mov", ".webm")) if path.endswith(end)), 5)
    return 9 if _HLS.search(url) else rank


def seen_text(element: Any) -> str:
    """The text that a reader sees of an element."""
    hidden = f"{_UNSEEN} or ancestor::svg" + (" or ancestor::button" if element.tag == "h1" else "")
    return "".join(str(text) for text in element.xpath(f".//text()[not({hidden})]"))[: 4 * MAX_TITLE]


def about(element: Any) -> str:
    return f"{element.get('class') or ''} {element.get('id') or ''}"


def _small(image: Any) -> bool:
    sizes = [image.get(name) or "" for name in ("width", "height")]
    return any(size.isdecimal() and int(size) < 60 for size in sizes)
