"""Shops that answer in JSON: Shopify's storefront and WooCommerce's Store API, into the same drafts as pages.

https://shopify.dev/docs/api/ajax/reference/product and
https://developer.woocommerce.com/docs/apis/store-api/resources-endpoints/products
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from pvtt.crawl.drafts import PageRecord, ProductDraft, product_id_of
from pvtt.crawl.text import MAX_DESCRIPTION, MAX_TITLE, absolute, media_refs, plain_category, plain_text
from pvtt.params.crawl import Adapter

SHOPIFY_LIST = "products.json"
SHOPIFY_PAGE_SIZE = 250  # the most that a request may ask for
WOOCOMMERCE_LIST = "wc/store/v1/products"
WOOCOMMERCE_PAGE_SIZE = 100
_SHOPIFY_PRODUCT = re.compile(r"(.*/)products/[^/]+\.js")
_SHOPIFY_ROOT = re.compile(r"""Shopify\.routes\.root\s*=\s*["'](/[^"']*)["']""")
_SHOPIFY_LINK = re.compile(r"""href=["'](?:https?://[^/"']+)?((?:/[^"'?#]*?)?/)(?:products|collections)/""")
_WORDPRESS_API = re.compile(r"""["']((?:https?:)?(?:\\?/)+[^"'<>\s]*?wp-json)(?:\\?/|["'])""")


def adapter_start(text: str, url: str, adapter: Adapter = "auto") -> str | None:
    """The JSON list of products to read instead of following links.

    Args:
        text: The shop's start page.
        url: Where that is.
        adapter: Whose list; by default that of the shop system which the page shows.
    """
    is_shopify = adapter == "shopify" or (
        adapter == "auto" and ("cdn.shopify.com" in text or "Shopify.theme" in text or "/cdn/shop/" in text)
    )
    if is_shopify:
        return urljoin(url, f"{_shopify_root(text)}{SHOPIFY_LIST}?{urlencode({'limit': SHOPIFY_PAGE_SIZE, 'page': 1})}")
    if adapter == "woocommerce" or (
        adapter == "auto" and "woocommerce" in text and ("wp-json" in text or "rest_route=" in text)
    ):
        from w3lib.url import add_or_replace_parameters

        pages = {"page": "1", "per_page": str(WOOCOMMERCE_PAGE_SIZE)}
        root = _wordpress_api(text, url)
        if "rest_route=" in root:
            return str(add_or_replace_parameters(root, {"rest_route": f"/{WOOCOMMERCE_LIST}", **pages}))
        return f"{root.rstrip('/')}/{WOOCOMMERCE_LIST}?{urlencode(pages)}"
    return None


def read_json_page(text: str, url: str) -> PageRecord | None:
    """Read an answer of one of the adapters' endpoints; None for any other URL."""
    parts = urlsplit(url)
    is_shopify_list = parts.path.endswith(f"/{SHOPIFY_LIST}")
    is_shopify_product = _SHOPIFY_PRODUCT.fullmatch(parts.path) is not None
    is_woocommerce = f"/{WOOCOMMERCE_LIST}" in (parts.path.partition("/wp-json")[2], _rest_route(parts.query))
    if not (is_shopify_list or is_shopify_product or is_woocommerce):
        return None
    try:
        data = json.loads(text)
        if is_shopify_list:
            return _shopify_list(data, url)
        drafts = (_shopify_product(data, url),) if is_shopify_product else tuple(_woocommerce(entry) for entry in data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return PageRecord(problem=f"its JSON is not what this shop system writes: {type(error).__name__}: {error}")
    links = (_next_page(url),) if is_woocommerce and len(drafts) == WOOCOMMERCE_PAGE_SIZE else ()
    return PageRecord(drafts=drafts, links=links)


def _shopify_root(text: str) -> str:
    """The path that the shop lies at: as its scripts say, else what precedes most links to products."""
    told = _SHOPIFY_ROOT.search(text)
    if told is not None:
        return told[1].rstrip("/") + "/"
    found = Counter(_SHOPIFY_LINK.findall(text))
    return found.most_common(1)[0][0] if found else "/"


def _wordpress_api(text: str, url: str) -> str:
    """The root of a WordPress site's API, which need not lie at the root of its host."""
    from parsel import Selector

    told = Selector(text=text).xpath("string(//link[@rel='https://api.w.org/']/@href)").get("").strip()
    if not told:
        named = _WORDPRESS_API.search(text)
        told = named[1].replace("\\/", "/") if named is not None else "/wp-json"
    return absolute(url, told)


def _rest_route(query: str) -> str:
    return dict(parse_qsl(query)).get("rest_route", "").rstrip("/")


def _shopify_list(data: Any, url: str) -> PageRecord:
    """The list lacks videos, so each product's own document is read too, or its page where it has none."""
    handles = [product["handle"] for product in data["products"]]
    pages = [urljoin(url, f"products/{quote(handle, safe='')}") for handle in handles]
    links = [f"{page}.js" for page in pages]
    fallbacks: dict[str, tuple[str, ...]] = {link: (page,) for link, page in zip(links, pages, strict=True)}
    if len(handles) == SHOPIFY_PAGE_SIZE:
        links.append(_next_page(url))
    return PageRecord(links=tuple(links), fallbacks=fallbacks)


def _shopify_product(data: Any, url: str) -> ProductDraft:
    videos = []
    for medium in data.get("media", []):
        if medium["media_type"] == "video":
            files = [source for source in medium["sources"] if source.get("mime_type") == "video/mp4"]
            if files:
                best = max(files, key=lambda source: (source.get("height") or 0, source["url"]))
                videos.append((best["url"], None))
    return ProductDraft(
        product_id=product_id_of(str(data["id"])),
        title=_title(data["title"]),
        category=plain_category(data.get("type")),
        description=plain_text(data.get("description"), MAX_DESCRIPTION),
        page_url=urljoin(url, data.get("url") or urlsplit(url).path.removesuffix(".js")),
        videos=media_refs(videos, url),
        photos=media_refs(((photo, None) for photo in data.get("images", [])), url),
    )


def _woocommerce(entry: Any) -> ProductDraft:
    """The Store API has no field for videos; they are taken from the description."""
    from parsel import Selector

    page_url = entry["permalink"]
    text = f"{entry.get('description') or ''}{entry.get('short_description') or ''}"
    description = Selector(text=f"<body>{text}</body>")
    videos = description.xpath("//video/@src | //video/source/@src | //a[contains(@href, '.mp4')]/@href").getall()
    categories = entry.get("categories") or [{}]
    return ProductDraft(
        product_id=product_id_of(plain_text(entry.get("sku"), MAX_TITLE) or str(entry["id"])),
        title=_title(entry["name"]),
        category=plain_category(categories[0].get("name")),
        description=plain_text(text, MAX_DESCRIPTION),
        page_url=page_url,
        videos=media_refs(((video, None) for video in videos), page_url),
        photos=media_refs(((image["src"], None) for image in entry.get("images", [])), page_url),
    )


def _title(value: Any) -> str:
    title = plain_text(value, MAX_TITLE)
    if not title:
        raise ValueError("a product has no title")
    return title


def _next_page(url: str) -> str:
    from w3lib.url import add_or_replace_parameter, url_query_parameter

    page = int(url_query_parameter(url, "page", "1") or "1")
    return str(add_or_replace_parameter(url, "page", str(page + 1)))
