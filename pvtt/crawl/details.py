"""A product's fields from the nodes that describe it and, where these lack one, from the page around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from pvtt.crawl import markup
from pvtt.crawl.drafts import UNCATEGORISED, MediaRef, product_id_of
from pvtt.crawl.linked_data import Node, as_list, every, types_of
from pvtt.crawl.text import MAX_TITLE, MAX_URL, media_refs, plain_category, plain_id, plain_text, same_text

_OWN_IDS = ("sku", "productID", "productId", "identifier", "productGroupID")
_MAKERS_IDS = ("mpn", "gtin", "gtin14", "gtin13", "gtin12", "gtin8", "isbn")
_META_IDS = ("product:retailer_item_id", "product:sku", "sku", "product:retailer_part_no")
_MARKED_IDS = (
    "//*[@itemprop='sku' or @itemprop='productID' or @itemprop='productId']",
    "//input[@id='ASIN' or @name='ASIN' or @name='sku' or @id='sku' or @name='product_sku']",
    "//*[@data-product-sku or @data-sku]",
    "//*[contains(@class, 'product-detail') or contains(@class, 'pdp')][@data-pid]",
    "//*[contains(concat(' ', @class, ' '), ' sku ')]",
)
_LABEL = re.compile(
    r"(?:\bSKU|\bASIN|\b(?:Item|Product|Article|Catalog(?:ue)?|Style|Part|Stock|Web)[\s-]*(?:#|No\.?|Nr\.?|number|code|ID)|"
    r"\bItem\s*model\s*number|\bModel(?:\s*(?:#|No\.?|number|code))|\bArt(?:ikel|\.)?[\s-]*(?:Nr\.?|nummer)|\bBestell(?:nummer|nr\.?)|"
    r"\bRéf(?:érence|\.)?|\bReferencia|商品编号|货号|商品番号|型番)\s*[:#.：]*\s*([A-Z0-9][\w./-]{1,29})",
    re.IGNORECASE,
)
_SCRIPTED = re.compile(r"""["']?\b(?:sku|productSku|product_sku)["']?\s*:\s*["']([\w./-]{2,40})["']""")
_HOMES = (
    "home",
    "homepage",
    "start",
    "startseite",
    "accueil",
    "inicio",
    "shop",
    "products",
    "allproducts",
    "all",
    "首页",
    "ホーム",
)


def product_id_of_page(nodes: Sequence[Node], page: Any, meta: dict[str, str], page_url: str) -> str:
    """A product's id: the shop's own, else the maker's, else one that the page shows, else from its URL.

    Args:
        nodes: What describes the product, the best first.
        page: Selector of the page.
        meta: The first of each of the page's meta tags.
        page_url: The page's own URL.
    """
    found = _of_nodes(nodes, _OWN_IDS) or _of_offers(nodes)
    found = found or next((one for one in (plain_id(meta.get(name)) for name in _META_IDS) if one), "")
    found = found or _of_nodes(nodes, _MAKERS_IDS) or _shown_id(page)
    return product_id_of(found) if found else id_from_url(page_url)


def id_from_url(page_url: str) -> str:
    parts = urlsplit(page_url)
    name = parts.path.rstrip("/").rpartition("/")[2].partition(".")[0] or parts.netloc
    return product_id_of(f"{name}?{parts.query}" if parts.query else name)


def category_of(product: Node, nodes: Iterable[Node], page: Any, social: str, not_one: Sequence[str]) -> str:
    """The product's category: its own, else the last breadcrumb that is neither the product nor the shop.

    Args:
        product: The node that describes it; empty where there is none.
        nodes: All nodes at the top of the page's structured data.
        page: Selector of the page.
        social: What the meta tags say.
        not_one: The product's title, and what the shop calls itself.
    """
    own = plain_category(product.get("category"))
    if own != UNCATEGORISED:
        return own
    trails = [
        _steps(node) for top in nodes for _, node in every(top, frozenset()) if "breadcrumblist" in types_of(node)
    ]
    old = [plain_text(node.get("title"), MAX_TITLE) for node in nodes if "breadcrumb" in types_of(node)]
    for trail in [*trails, old, [social], markup.breadcrumbs(page)]:
        for step in reversed(trail):
            names = (*not_one, *_HOMES)
            category = plain_category(step)
            if category != UNCATEGORISED and not any(same_text(step, name) for name in names):
                return category
    return UNCATEGORISED


def videos_of(nodes: Sequence[Node], all_nodes: Sequence[Node], base: str) -> tuple[MediaRef, ...]:
    """The videos of a product's data, and those that stand beside it in the page's data."""
    values = [value for node in nodes for key in ("video", "subjectOf") for value in as_list(node.get(key))]
    values += [node for node in all_nodes if "videoobject" in types_of(node)]
    return _refs(values, all_nodes, "videoobject", base)


def media_of(nodes: Sequence[Node], all_nodes: Sequence[Node], key: str, kind: str, base: str) -> tuple[MediaRef, ...]:
    """The media that the first node with any names; else those that stand beside the product, logos left out."""
    for node in nodes:
        refs = _refs(as_list(node.get(key)), all_nodes, kind, base)
        if refs:
            return refs
    beside = [node for node in all_nodes if kind in types_of(node) and "logo" not in str(node.get("@id", "")).lower()]
    return _refs(beside, all_nodes, kind, base)


def _refs(values: Iterable[Any], all_nodes: Sequence[Node], wanted: str, base: str) -> tuple[MediaRef, ...]:
    by_id = {node["@id"]: node for node in all_nodes if isinstance(node.get("@id"), str)}
    return media_refs((pair for value in values for pair in _sources(value, by_id, wanted)), base)


def _sources(value: Any, by_id: dict[str, Node], wanted: str) -> list[tuple[Any, str | None]]:
    """(URL, licence) of a media object, of a reference to one, or of a bare URL."""
    if not isinstance(value, dict):
        return [(value, None)]
    node = by_id.get(str(value.get("@id")), value)
    if types_of(node) and wanted not in types_of(node):
        return []
    urls = as_list(node.get("contentUrl")) or as_list(node.get("image"))
    if not urls and "embedUrl" not in node:  # beside a player's page, `url` is a page too
        urls = as_list(node.get("url"))
    if not urls and wanted == "imageobject" and isinstance(node.get("@id"), str) and "://" in node["@id"]:
        urls = [node["@id"]]
    license_ = node.get("license")
    if isinstance(license_, dict):
        license_ = license_.get("url") or license_.get("name")
    return [(url, plain_text(license_, MAX_URL) or None) for url in urls]


def _of_nodes(nodes: Sequence[Node], keys: Sequence[str]) -> str:
    return next((found for key in keys for node in nodes if (found := plain_id(node.get(key)))), "")


def _of_offers(nodes: Sequence[Node]) -> str:
    """What all offers of a product call it."""
    offers = [offer for node in nodes for offer in as_list(node.get("offers")) if isinstance(offer, dict)]
    offers += [inner for offer in offers for inner in as_list(offer.get("offers")) if isinstance(inner, dict)]
    ids = {found for offer in offers if (found := plain_id(offer.get("sku")))}
    return ids.pop() if len(ids) == 1 else ""


def _shown_id(page: Any) -> str:
    """The one id that the page marks as such, shows behind a label, or gives to its scripts."""
    for path in _MARKED_IDS:
        marked = {one.root: found for one in page.xpath(path) if (found := _value(one.root))}
        ids = set(marked.values())
        if len(ids) > 1:
            ids = _beside_the_heading(page, marked)
        if len(ids) == 1:
            return ids.pop()
    seen = page.xpath("//body//text()[not(ancestor::script or ancestor::style or ancestor::noscript)]").getall()
    text = " ".join(" ".join(seen).split())
    for match in _LABEL.finditer(text):
        found = plain_id(match[1].rstrip("./-"))
        if re.search(r"\d", found):
            return found
    scripted = {match[1] for script in page.xpath("//script/text()").getall() for match in _SCRIPTED.finditer(script)}
    return plain_id(scripted.pop()) if len(scripted) == 1 else ""


def _beside_the_heading(page: Any, marked: dict[Any, str]) -> set[str]:
    """The ids in the smallest part of the page that holds its heading and any: other products have theirs elsewhere."""
    for heading in page.root.iter("h1"):
        for outer in heading.iterancestors():
            ids = {marked[one] for one in outer.iter() if one in marked}
            if ids:
                return ids
    return set()


def _value(element: Any) -> str:
    """An id that an element holds; empty where that has no digit."""
    given = [element.get(name) for name in ("content", "value", "data-product-sku", "data-sku", "data-pid")]
    text = next((value for value in given if value), None) or "".join(element.itertext())
    found = plain_id(text)
    return found if re.search(r"\d", found) else ""


def _steps(trail: Node) -> list[str]:
    """The names of a BreadcrumbList's steps, in their order."""
    items = [item for item in as_list(trail.get("itemListElement")) if isinstance(item, dict)]

    def position(item: Node) -> float:
        try:
            return float(plain_text(item.get("position"), MAX_TITLE))
        except ValueError:
            return 0.0

    names = []
    for item in sorted(items, key=position):
        inner = item.get("item")
        name = plain_text(item.get("name"), MAX_TITLE)
        names.append(name or (plain_text(inner.get("name"), MAX_TITLE) if isinstance(inner, dict) else ""))
    return [name for name in names if name]
