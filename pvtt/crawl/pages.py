"""A shop's page into product drafts and links: schema.org as JSON-LD or microdata, OpenGraph where there is none."""
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from pvtt.crawl.drafts import UNCATEGORISED, MediaRef, PageRecord, ProductDraft, product_id_of
from pvtt.errors import first_line

MAX_TITLE = 300  # characters kept of what a page says
MAX_CATEGORY = 100
MAX_DESCRIPTION = 5000
MAX_URL = 2000

_PRODUCT_TYPES = {"Product", "ProductGroup", "ProductModel", "IndividualProduct", "SomeProducts"}
_TAG = re.compile(r"<[^>]*>")
_BREAD_CRUMB = re.compile(r"\s*[>/»›]\s*")

Node = dict[str, Any]


def read_html_page(text: str, url: str) -> PageRecord:
    """Read one HTML page.

    Args:
        text: The decoded page.
        url: Where it came from, after redirects.

    Returns:
        At most one draft; a page that lists several products is a page of links.
    """
    from parsel import Selector

    page = Selector(text=text, base_url=url)
    base = urljoin(url, page.xpath("string(//base/@href)").get("").strip())
    links = tuple(_links(page, base, url))
    nodes, broken = _json_ld(page)
    nodes += _microdata(page, base)
    canonical = urljoin(base, page.xpath("string(//link[@rel='canonical']/@href)").get("").strip())
    page_url = canonical if canonical != base and urlsplit(canonical).netloc == urlsplit(url).netloc else url

    product = _the_product(nodes, page_url)
    if product is not None:
        draft = _schema_draft(product, nodes, page, base, page_url)
    else:
        draft = _open_graph_draft(page, base, page_url)
    if draft is None:
        problem = broken or ("the product has no name" if product is not None else None)
        return PageRecord(links=links, problem=problem)
    return PageRecord(drafts=(draft,), links=links)


def plain_text(value: Any, limit: int) -> str:
    """A page's value as one line of text without markup: the first of a list, a thing's name, or a number in digits."""
    for _ in range(4):
        if isinstance(value, list):
            value = value[0] if value else ""
        elif isinstance(value, dict):
            value = value.get("@value") or value.get("name") or ""
    if not isinstance(value, str | int | float):
        return ""
    text = html.unescape(_TAG.sub(" ", str(value)[: 4 * limit])).replace("\x00", "")
    return " ".join(text.split())[:limit].strip().encode("utf-8", "replace").decode()


def plain_category(value: Any) -> str:
    """The last step of a category path such as `Home > Jewellery > Rings`."""
    return _BREAD_CRUMB.split(plain_text(value, MAX_DESCRIPTION))[-1][:MAX_CATEGORY] or UNCATEGORISED


def media_refs(values: Iterable[tuple[Any, str | None]], base: str) -> tuple[MediaRef, ...]:
    """Distinct references of (URL, licence) pairs, made absolute, in their order."""
    refs: dict[str, MediaRef] = {}
    for value, license_ in values:
        if isinstance(value, str) and value.strip():
            try:
                url = urljoin(base, value.strip()).partition("#")[0][:MAX_URL]
            except ValueError:
                url = value.strip()[:MAX_URL]
            refs.setdefault(url, MediaRef(url=url, license=license_))
    return tuple(refs.values())


def _links(page: Any, base: str, url: str) -> Iterator[str]:
    """Pages of the same site that this one links to, in their order."""
    from scrapy.linkextractors import IGNORED_EXTENSIONS
    from w3lib.url import canonicalize_url

    ignored = tuple(f".{extension}" for extension in IGNORED_EXTENSIONS)
    site = urlsplit(url).netloc
    seen = set()
    for href in page.xpath("//a/@href | //link[@rel='next']/@href").getall():
        try:
            link = canonicalize_url(urljoin(base, href.strip()))
            parts = urlsplit(link)
        except ValueError:
            continue
        fits = parts.scheme in ("http", "https") and parts.netloc == site and not parts.path.lower().endswith(ignored)
        if fits and link not in seen and len(link) <= MAX_URL:
            seen.add(link)
            yield link


def _json_ld(page: Any) -> tuple[list[Node], str | None]:
    """The things that a page's JSON-LD describes, and what is wrong with the first broken script about a product."""
    from extruct.jsonld import JsonLdExtractor

    nodes: list[Node] = []
    broken = None
    for script in page.xpath("//script[@type='application/ld+json']"):
        try:
            items = JsonLdExtractor().extract_items(script.root)
        except (ValueError, RecursionError) as error:
            if broken is None and "Product" in script.xpath("string()").get(""):
                broken = f"its JSON-LD cannot be read: {first_line(error)}"
            continue
        for item in items:
            nodes += _things(item, depth=3)
    return nodes, broken


def _microdata(page: Any, base: str) -> list[Node]:
    import extruct

    if page.xpath("boolean(//@itemscope)").get() != "1":
        return []
    try:
        items = extruct.extract(page.root, base_url=base, syntaxes=["microdata"], uniform=True)["microdata"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # markup that extruct trips over
        return []
    return [node for item in items for node in _things(item, depth=3)]


def _things(item: Any, depth: int) -> Iterator[Node]:
    if isinstance(item, dict):
        yield item
        if depth:
            for key in ("@graph", "mainEntity", "mainEntityOfPage"):
                for inner in _as_list(item.get(key)):
                    yield from _things(inner, depth - 1)


def _the_product(nodes: list[Node], page_url: str) -> Node | None:
    """The one product that the page is about: its only one, or the one that bears its URL."""
    products = [node for node in nodes if _types(node) & _PRODUCT_TYPES]
    if len(products) > 1:
        own = [
            product
            for product in products
            if any(isinstance(product.get(key), str) and urljoin(page_url, product[key]).partition("#")[0] == page_url
                   for key in ("url", "@id"))
        ]  # fmt: skip
        same = all(product == products[0] for product in products)
        products = products[:1] if same else own[:1]
    return products[0] if products else None


def _schema_draft(product: Node, nodes: list[Node], page: Any, base: str, page_url: str) -> ProductDraft | None:
    title = plain_text(product.get("name"), MAX_TITLE)
    if not title:
        return None
    by_id = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str)}
    videos = [*_as_list(product.get("video")), *_as_list(product.get("subjectOf"))]
    videos += [node for node in nodes if "VideoObject" in _types(node)]
    photos = _as_list(product.get("image"))
    if not photos:
        photos = [node for node in nodes if "ImageObject" in _types(node)]
    video_refs = media_refs((_source(value, by_id, "VideoObject") for value in videos), base)
    return ProductDraft(
        product_id=_product_id(product, page_url),
        title=title,
        category=plain_category(product.get("category")),
        description=plain_text(product.get("description"), MAX_DESCRIPTION),
        page_url=page_url,
        license=_license(product.get("license")) or _page_license(page, base),
        videos=video_refs or _embedded_videos(page, base),
        photos=media_refs((_source(value, by_id, "ImageObject") for value in photos), base),
    )


def _product_id(product: Node, page_url: str) -> str:
    for key in ("sku", "productID", "mpn"):
        value = plain_text(product.get(key), MAX_TITLE)
        if value:
            return product_id_of(value)
    return _id_from_url(page_url)


def _id_from_url(page_url: str) -> str:
    parts = urlsplit(page_url)
    name = parts.path.rstrip("/").rpartition("/")[2].partition(".")[0] or parts.netloc
    return product_id_of(f"{name}?{parts.query}" if parts.query else name)


def _source(value: Any, by_id: dict[str, Node], wanted: str) -> tuple[Any, str | None]:
    """(URL, licence) of a media object, of a reference to one, or of a bare URL."""
    if not isinstance(value, dict):
        return value, None
    node = by_id.get(str(value.get("@id")), value)
    if _types(node) and wanted not in _types(node):
        return None, None
    urls = [node.get("contentUrl")]
    if "embedUrl" not in node:  # beside a player's page, `url` is a page too
        urls.append(node.get("url"))
    url = next((first for candidate in urls for first in _as_list(candidate)[:1] if isinstance(first, str)), None)
    return url, _license(node.get("license"))


def _embedded_videos(page: Any, base: str) -> tuple[MediaRef, ...]:
    """Videos that the page plays, where its product data names none."""
    sources = page.xpath("//video/@src | //video/source[not(@type) or starts-with(@type, 'video/')]/@src").getall()
    return media_refs(((source, None) for source in sources), base)


def _open_graph_draft(page: Any, base: str, page_url: str) -> ProductDraft | None:
    from extruct.opengraph import OpenGraphExtractor

    try:
        found = OpenGraphExtractor().extract_items(page.root)
        properties = [pair for item in found for pair in item["properties"]]
    except (AttributeError, IndexError):  # a page without a head
        return None
    first: dict[str, str] = {}
    for key, value in properties:
        first.setdefault(key, value)
    title = plain_text(first.get("og:title"), MAX_TITLE)
    if "product" not in first.get("og:type", "").lower() or not title:
        return None
    videos = []
    for key, value in properties:
        if key in ("og:video", "og:video:url"):
            videos.append((value, None))
        elif key == "og:video:type" and videos and not value.startswith("video/"):
            videos.pop()  # a player's page
    photos = [(value, None) for key, value in properties if key in ("og:image", "og:image:url")]
    own_id = plain_text(first.get("product:retailer_item_id"), MAX_TITLE)
    return ProductDraft(
        product_id=product_id_of(own_id) if own_id else _id_from_url(page_url),
        title=title,
        category=plain_category(first.get("product:category")),
        description=plain_text(first.get("og:description"), MAX_DESCRIPTION),
        page_url=page_url,
        license=_page_license(page, base),
        videos=media_refs(videos, base) or _embedded_videos(page, base),
        photos=media_refs(photos, base),
    )


def _page_license(page: Any, base: str) -> str | None:
    href = page.xpath("string(//*[(self::a or self::link) and @rel='license']/@href)").get("").strip()
    return urljoin(base, href)[:MAX_URL] if href else None


def _license(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("url") or value.get("name")
    return plain_text(value, MAX_URL) or None


def _types(node: Node) -> set[str]:
    return {str(name).rpartition("/")[2] for name in _as_list(node.get("@type"))}


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
