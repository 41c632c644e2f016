"""Which of the products that a page describes is the page's own: `RULES`, from the first to the last."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pvtt.crawl.linked_data import Node, as_list, every, types_of
from pvtt.crawl.text import MAX_TITLE, absolute, plain_id, plain_text, same_text

PRODUCT_TYPES = frozenset(
    {"product", "productgroup", "productmodel", "individualproduct", "someproducts", "productcollection", "vehicle",
     "car", "motorcycle", "drug", "dietarysupplement", "book", "softwareapplication", "mobileapplication"}
)  # fmt: skip
MAX_PRODUCTS = 500  # described by one page; more are a list
ARTICLES = frozenset({"article", "newsarticle", "blogposting", "techarticle", "report", "liveblogposting"})
SOLD_TYPES = frozenset({"book", "softwareapplication", "mobileapplication", "car", "vehicle", "motorcycle", "drug"})
OTHERS = frozenset(
    {"isRelatedTo", "isSimilarTo", "isAccessoryOrSparePartFor", "isConsumableFor", "itemListElement", "hasVariant",
     "isVariantOf", "model", "similar", "related", "review", "reviews", "breadcrumb", "makesOffer", "hasOfferCatalog",
     "addOn", "potentialAction", "isPartOf", "publisher", "author", "provider", "sponsor"}
)  # fmt: skip
"""Properties that lead from a page or a product to other products, or to none."""
_TRACKING = re.compile(
    r"^(?:utm_\w+|gclid|gbraid|wbraid|dclid|fbclid|msclkid|yclid|ttclid|igshid|srsltid|mc_[ce]id|_ga|_gl|ref|ref_|spm|scm|"
    r"pf_rd_\w+|pd_rd_\w+|_pos|_sid|_ss|_psq|_fid|cjevent|irclickid|affid|aff_id)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PageFacts:
    """What a page says of itself.

    Args:
        urls: Its URLs: as fetched and canonical.
        titles: Its headings and its title for social networks, clean.
        main: The nodes that it names as its main entity.
        links: The URLs that it links to.
    """

    urls: tuple[str, ...]
    titles: tuple[str, ...] = ()
    main: tuple[Node, ...] = ()
    links: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rule:
    """Keeps the products that it holds for; where it holds for none, all.

    Args:
        name: For docs/crawl.md and the tests.
        keep: Products and page → those that it holds for.
    """

    name: str
    keep: Callable[[list[Node], PageFacts], list[Node]] = field(repr=False)


def url_key(url: str, query: bool = True) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """What two URLs of one page share: no scheme, `www.`, default port, last slash, fragment, or tracking parameter."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return (url, "", ())
    host = (parts.hostname or "").removeprefix("www.") + ("" if port in (None, 80, 443) else f":{port}")
    kept = [(name, value) for name, value in parse_qsl(parts.query) if not _TRACKING.match(name)] if query else []
    path = re.sub(r"/index\.(?:html?|php)$", "/", unquote(parts.path)).rstrip("/")
    return host, path, tuple(sorted(kept))


def own_urls(product: Node, base: str) -> list[str]:
    """The URLs that a product bears as its own page's."""
    values = [value for key in ("url", "mainEntityOfPage") for value in as_list(product.get(key))]
    if not values:
        offers = [offer.get("url") for offer in as_list(product.get("offers")) if isinstance(offer, dict)]
        values = [product.get("@id"), *offers]
    values = [one.get("@id") or one.get("url") if isinstance(one, dict) else one for one in values]
    found = (absolute(base, value) for value in values if isinstance(value, str) and value.strip())
    return [url for url in found if url.startswith(("http://", "https://"))]


def name_of(product: Node) -> str:
    return plain_text(product.get("name"), MAX_TITLE)


def products_of(nodes: Iterable[Node]) -> tuple[list[Node], tuple[Node, ...]]:
    """The products that a page's nodes describe, in their order, and which of them are a main entity."""
    found: list[Node] = []
    main: list[Node] = []
    for top in nodes:
        if types_of(top) & ARTICLES:
            continue
        for key, node in every(top, OTHERS, _is_product):
            found.append(node)
            if key in ("mainEntity", "mainEntityOfPage"):
                main.append(node)
    wanted = {reference["@id"] for top in nodes for reference in as_list(top.get("mainEntity"))
              if isinstance(reference, dict) and isinstance(reference.get("@id"), str)}  # fmt: skip
    main += [node for node in found if isinstance(node.get("@id"), str) and node["@id"] in wanted]
    return [node for node in found if set(node) - {"@id", "@type"}], tuple(main)


def the_product(products: list[Node], page: PageFacts) -> tuple[Node | None, str]:
    """The page's product and the rule that found it; None where the page lists products, or has none."""
    if len(products) > MAX_PRODUCTS:
        return None, "list"
    found = "only" if len(products) == 1 else "list"
    for rule in RULES:
        products = rule.keep(products, page) or products
        if found == "list" and len(products) == 1:
            found = rule.name
    if len(products) != 1 or _is_elsewhere(products[0], page):
        return None, "list"
    return products[0], found


def _is_product(node: Node) -> bool:
    found = types_of(node) & PRODUCT_TYPES
    return bool(found) and (not found <= SOLD_TYPES or bool(node.get("offers")))


def _named(products: list[Node], page: PageFacts) -> list[Node]:
    return [product for product in products if name_of(product)]


def _without_variants(products: list[Node], page: PageFacts) -> list[Node]:
    """Groups and lone products, each group with what its variants say and it does not."""
    groups = [product for product in products if "productgroup" in types_of(product) or product.get("hasVariant")]
    for group in groups:
        ids = {str(value) for value in (group.get("@id"), plain_text(group.get("productGroupID"), MAX_TITLE)) if value}
        listed = {one["@id"] for one in _nodes(group.get("hasVariant")) if isinstance(one.get("@id"), str)}
        inner = [one for one in _nodes(group.get("hasVariant")) if set(one) - {"@id", "@type"}]
        outer = [one for one in products if one is not group and (_group_ids(one) & ids or one.get("@id") in listed)]
        for variant in (*inner, *outer):
            for key in ("image", "video", "subjectOf", "description", "category", "license", "offers"):
                if variant.get(key) and not group.get(key):
                    group[key] = variant[key]
        products = [product for product in products if not any(product is one for one in outer)]
    return products


def _group_ids(product: Node) -> set[str]:
    groups = _nodes(product.get("isVariantOf"))
    ids = [one.get(key) for one in groups for key in ("@id", "productGroupID")] + [product.get("inProductGroupWithID")]
    return {plain_text(value, MAX_TITLE) for value in ids if value} - {""}


def _distinct(products: list[Node], page: PageFacts) -> list[Node]:
    """One node for all that describe the same: equal names, and no two ids or URLs that differ."""
    kept: list[Node] = []
    for product in products:
        twin = next((one for one in kept if _agree(one, product, page.urls[0])), None)
        if twin is None:
            kept.append(product)
        else:
            twin.update({key: value for key, value in product.items() if value and not twin.get(key)})
    return kept


def _agree(one: Node, other: Node, base: str) -> bool:
    if not same_text(name_of(one), name_of(other)):
        return False
    skus = {plain_id(node.get("sku")) for node in (one, other)} - {""}
    urls = {url_key(url) for node in (one, other) for url in own_urls({"url": node.get("url")}, base)}
    return len(skus) < 2 and len(urls) < 2


def _main(products: list[Node], page: PageFacts) -> list[Node]:
    return [product for product in products if any(product is one for one in page.main)]


def _own_url(products: list[Node], page: PageFacts, query: bool) -> list[Node]:
    own = {url_key(url, query) for url in page.urls}
    return [one for one in products if own & {url_key(url, query) for url in own_urls(one, page.urls[0])}]


def _of_the_heading(products: list[Node], page: PageFacts) -> list[Node]:
    for title in page.titles:
        found = [product for product in products if same_text(name_of(product), title)]
        if found:
            return found
    return []


def _not_elsewhere(products: list[Node], page: PageFacts) -> list[Node]:
    """Those that bear no other page's URL, beside some that do."""
    return [one for one in products if not own_urls({"url": one.get("url")}, page.urls[0])]


def _described(products: list[Node], page: PageFacts) -> list[Node]:
    found = [product for product in products if product.get("description") and product.get("offers")]
    return found if len(found) == 1 and not own_urls({"url": found[0].get("url")}, page.urls[0]) else []


def _of_one_name(products: list[Node], page: PageFacts) -> list[Node]:
    """The first of several variants that all have the same name."""
    same = all(same_text(name_of(product), name_of(products[0])) for product in products)
    urls = {url_key(url, query=False) for one in products for url in own_urls({"url": one.get("url")}, page.urls[0])}
    return products[:1] if same and len(urls) < 2 else []


def _is_elsewhere(product: Node, page: PageFacts) -> bool:
    """Whether a lone product is another page's, which this one links to and does not speak of in its heading."""
    urls = {url_key(url) for url in own_urls({"url": product.get("url")}, page.urls[0])}
    if not urls or _own_url([product], page, query=False) or _main([product], page):
        return False
    return not _of_the_heading([product], page) and bool(urls & {url_key(link) for link in page.links})


def _nodes(value: Any) -> list[Node]:
    return [one for one in as_list(value) if isinstance(one, dict)]


RULES = (
    Rule("named", _named),
    Rule("group", _without_variants),
    Rule("distinct", _distinct),
    Rule("main entity", _main),
    Rule("own URL", lambda products, page: _own_url(products, page, query=True)),
    Rule("own path", lambda products, page: _own_url(products, page, query=False)),
    Rule("heading", _of_the_heading),
    Rule("no other URL", _not_elsewhere),
    Rule("described", _described),
    Rule("one name", _of_one_name),
)
"""Each keeps the products that it holds for; the first that leaves one has found it. docs/crawl.md explains them."""
