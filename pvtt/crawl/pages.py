"""A shop's page into product drafts and links.

The product is the one that `pvtt.crawl.choice` finds in the JSON-LD, microdata or RDFa; OpenGraph and the page's markup
fill what that leaves out, field by field, and stand in where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pvtt.crawl import markup
from pvtt.crawl.choice import PageFacts, name_of, products_of, the_product
from pvtt.crawl.details import category_of, media_of, product_id_of_page, videos_of
from pvtt.crawl.drafts import PageRecord, ProductDraft
from pvtt.crawl.linked_data import Node, as_list, json_ld, microdata, rdfa, types_of
from pvtt.crawl.marketplaces import read_marketplace_page
from pvtt.crawl.signs import sells_one_product
from pvtt.crawl.text import (
    MAX_DESCRIPTION,
    MAX_TITLE,
    MAX_URL,
    absolute,
    media_refs,
    plain_lines,
    plain_text,
    plain_title,
    same_text,
)

_CATALOGUE_TYPES = ("product.group", "product_group")
_PRICES = ("product:price:amount", "og:price:amount", "product:retailer_item_id")
_ORGANISATIONS = {"organization", "website", "onlinestore", "store", "onlinebusiness", "corporation", "localbusiness"}
_SECOND_LEVELS = ("co", "com", "org", "net", "ac", "gov")


@dataclass(frozen=True)
class _Page:
    """One page, parsed."""

    selector: Any
    base: str
    url: str  # canonical, where it names one
    meta: tuple[tuple[str, str], ...]
    nodes: tuple[Node, ...]  # at the top of its structured data
    shops: tuple[str, ...]
    headings: tuple[str, ...]

    def first(self, *names: str) -> str:
        """The first of some meta tags that is there; empty where none is."""
        first: dict[str, str] = {}
        for name, content in self.meta:
            first.setdefault(name, content)
        return next((first[name] for name in names if name in first), "")


def read_html_page(text: str, url: str) -> PageRecord:
    """Read one HTML page.

    Args:
        text: The decoded page.
        url: Where it came from, after redirects.

    Returns:
        At most one draft; a page that lists several products is a page of links. A page that speaks of a product of
        its own which cannot be used has a problem.
    """
    from parsel import Selector

    text = text.replace("\x00", "")
    marketplace = read_marketplace_page(text, url)
    if marketplace is not None:
        return marketplace
    selector = Selector(text=text, base_url=url)
    if not hasattr(selector.root, "iter"):
        return PageRecord()
    base = absolute(url, selector.xpath("string(//base/@href)").get(""))
    links = tuple(_links(selector, base, url))
    markup.resolve_lazy_media(selector.root)
    linked, broken = json_ld(selector)
    syntaxes = [linked, microdata(selector, base), rdfa(selector)]
    nodes = tuple(node for syntax in syntaxes for node in syntax)
    meta = tuple(markup.meta_tags(selector))
    shops = _shops(meta, nodes, url)
    headings = tuple(one for one in markup.headings(selector, shops) if not any(same_text(one, shop) for shop in shops))
    page = _Page(selector, base, _own_url(selector, base, url), meta, nodes, shops, headings)

    chosen, num_products = _chosen(syntaxes, page, url, links)
    problem = None
    if chosen or _is_product_page(page, url, num_products):
        draft = _draft(page, chosen)
        if draft is not None:
            return PageRecord(drafts=(draft,), links=links)
        problem = "the product has no name"
    elif num_products == 1 and not any(name_of(node) for node in _products(nodes)):
        problem = "the product has no name"
    return PageRecord(links=links, problem=broken or problem)


def _chosen(syntaxes: list[list[Node]], page: _Page, url: str, links: tuple[str, ...]) -> tuple[list[Node], int]:
    """The page's product as each syntax describes it, the best first; and how many products one lists at most."""
    titles = (*page.headings, plain_title(page.first("og:title", "twitter:title"), page.shops))
    found: list[Node] = []
    most = 0
    for syntax in syntaxes:
        products, main = products_of(syntax)
        most = max(most, len(products))
        facts = PageFacts((page.url, url), titles, main, frozenset(links))
        product, _ = the_product(products, facts)
        if product is not None and (name_of(product) or len(products) == 1):
            found.append(product)
    named = [node for node in found if name_of(node)]
    if not named:
        return [], most
    own = [node for node in named if any(same_text(name_of(node), title) for title in titles)]
    first = (own or named)[0]
    rest = [node for node in found if node is not first]
    return [first, *(one for one in rest if not name_of(one) or same_text(name_of(one), name_of(first)))], most


def _products(nodes: tuple[Node, ...]) -> list[Node]:
    return products_of(nodes)[0]


def _is_product_page(page: _Page, url: str, num_products: int) -> bool:
    """Whether a page without usable product data is a product's by its meta tags or by its markup."""
    kind = page.first("og:type").lower()
    if "product" in kind and not any(kind.endswith(name) for name in _CATALOGUE_TYPES):
        return True
    if num_products > 1:
        return False
    return any(page.first(name) for name in _PRICES) or sells_one_product(page.selector, url)


def _draft(page: _Page, nodes: list[Node]) -> ProductDraft | None:
    title = _title(page, nodes)
    if not title:
        return None
    first = nodes[0] if nodes else {}
    description = next((text for node in nodes if (text := plain_text(node.get("description"), MAX_DESCRIPTION))), "")
    licences = [_licence(node.get("license")) for node in nodes]
    photos = media_of(nodes, page.nodes, "image", "imageobject", page.base)
    photos = photos or media_refs(((value, None) for value in _open_graph(page, "image")), page.base)
    photos = photos or media_refs(((one, None) for one in markup.product_photos(page.selector, (title,))), page.base)
    videos = videos_of(nodes, page.nodes, page.base)
    videos = videos or media_refs(((value, None) for value in _open_graph(page, "video")), page.base)
    videos = videos or media_refs(((value, None) for value in markup.played_videos(page.selector)), page.base)
    return ProductDraft(
        product_id=product_id_of_page(nodes, page.selector, dict(reversed(page.meta)), page.url),
        title=title,
        category=category_of(first, page.nodes, page.selector, page.first("product:category"), (title, *page.shops)),
        description=description or plain_text(page.first("og:description", "description"), MAX_DESCRIPTION),
        page_url=page.url,
        license=next((one for one in licences if one), None) or _page_licence(page),
        videos=videos,
        photos=photos,
    )


def _title(page: _Page, nodes: list[Node]) -> str:
    """The product's name; without one the page's heading, or its title for social networks."""
    social = plain_title(page.first("og:title", "twitter:title"), page.shops)
    for node in nodes:
        raw = node.get("name")
        if isinstance(raw, list):  # the brand's beside the product's
            known = (*page.headings, social)
            raw = next((one for one in raw if any(same_text(plain_title(one), title) for title in known)), raw)
        lines = plain_lines(raw, MAX_TITLE) if isinstance(raw, str) else []
        heading = next((one for one in page.headings if len(lines) > 1 and one in lines), None)
        title = heading or plain_title(raw, page.shops)
        if title:
            return title
    heading = next((one for one in page.headings if len(one) > 3 and one.casefold() in social.casefold()), None)
    return heading or social or (page.headings[0] if page.headings else "")


def _open_graph(page: _Page, kind: str) -> Iterator[str]:
    """The photos or videos of the meta tags; a player's page is no video."""
    found: list[str] = []
    for name, value in page.meta:
        if name in (f"og:{kind}", f"og:{kind}:url", f"og:{kind}:secure_url"):
            found.append(value)
        elif name == "og:video:type" and kind == "video" and found and not value.startswith("video/"):
            player = found.pop()
            found = [one for one in found if one != player]
    if not found and kind == "image":
        found = [value for name, value in page.meta if name in ("twitter:image", "twitter:image:src")]
    return iter(found)


def _shops(meta: tuple[tuple[str, str], ...], nodes: tuple[Node, ...], url: str) -> tuple[str, ...]:
    """What the shop calls itself: in its meta tags, in its structured data, and by its host."""
    names = [
        value for name, value in meta if name in ("og:site_name", "application-name", "apple-mobile-web-app-title")
    ]
    names += [name_of(node) for node in nodes if types_of(node) & _ORGANISATIONS]
    for node in nodes:
        names += [name_of(one) for one in as_list(node.get("publisher")) if isinstance(one, dict)]
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    labels = host.split(".")
    if len(labels) > 1 and not labels[-1].isdigit():
        label = labels[-3] if len(labels) > 2 and labels[-2] in _SECOND_LEVELS else labels[-2]
        names += [host, label]
    return tuple(dict.fromkeys(name for name in names if name))


def _own_url(selector: Any, base: str, url: str) -> str:
    """The page's canonical URL, where that is of the same site and not the shop's front page."""
    canonical = absolute(base, selector.xpath("string(//link[@rel='canonical']/@href)").get(""))
    try:
        parts, fetched = urlsplit(canonical), urlsplit(url)
    except ValueError:
        return url
    to_front = parts.path.strip("/") == "" and fetched.path.strip("/") != ""
    return url if canonical == base or parts.netloc != fetched.netloc or to_front else canonical[:MAX_URL]


def _links(page: Any, base: str, url: str) -> Iterator[str]:
    """Pages of the same site that this one links to, in their order."""
    from scrapy.linkextractors import IGNORED_EXTENSIONS
    from w3lib.url import canonicalize_url

    ignored = tuple(f".{extension}" for extension in IGNORED_EXTENSIONS)
    site = urlsplit(url).netloc
    seen = set()
    for href in page.xpath("//a/@href | //link[@rel='next']/@href").getall():
        try:
            link = canonicalize_url(absolute(base, href))
            parts = urlsplit(link)
        except ValueError:
            continue
        fits = parts.scheme in ("http", "https") and parts.netloc == site and not parts.path.lower().endswith(ignored)
        if fits and link not in seen and len(link) <= MAX_URL:
            seen.add(link)
            yield link


def _page_licence(page: _Page) -> str | None:
    href = page.selector.xpath("string(//*[(self::a or self::link) and @rel='license']/@href)").get("").strip()
    return absolute(page.base, href)[:MAX_URL] if href else None


def _licence(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("url") or value.get("name")
    return plain_text(value, MAX_URL) or None
