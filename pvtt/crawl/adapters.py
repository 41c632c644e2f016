"""Shops that answer in JSON: Shopify's storefront and WooCommerce's Store API, into the same drafts as pages.

https://shopify.dev/docs/api/ajax/reference/product and
https://developer.woocommerce.com/docs/apis/store-api/resources-endpoints/products
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from pvtt.crawl.drafts import PageRecord, ProductDraft, product_id_of
from pvtt.crawl.pages import MAX_DESCRIPTION, MAX_TITLE, media_refs, plain_category, plain_text

SHOPIFY_LIST = "/products.json"
SHOPIFY_PAGE_SIZE = 250  # the most that a request may ask for
WOOCOMMERCE_LIST = "/wp-json/wc/store/v1/products"
WOOCOMMERCE_PAGE_SIZE = 100


def adapter_start(text: str, url: str) -> str | None:
    """The JSON list of products to read instead of following links, where a shop's start page shows that it has one."""
    if "cdn.shopify.com" in text or "Shopify.theme" in text:
        return urljoin(url, f"{SHOPIFY_LIST}?{urlencode({'limit': SHOPIFY_PAGE_SIZE, 'page': 1})}")
    if "/wp-json" in text and "woocommerce" in text:
        return urljoin(url, f"{WOOCOMMERCE_LIST}?{urlencode({'page': 1, 'per_page': WOOCOMMERCE_PAGE_SIZE})}")
    return None


def read_json_page(text: str, url: str) -> PageRecord | None:
    """Read an answer of one of the adapters' endpoints; None for any other URL."""
    path = urlsplit(url).path
    is_shopify_list = path == SHOPIFY_LIST
    is_shopify_product = path.startswith("/products/") and path.endswith(".js")
    is_woocommerce = path == WOOCOMMERCE_LIST
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


def _shopify_list(data: Any, url: str) -> PageRecord:
    """The list lacks videos, so each product's own document is read too."""
    handles = [product["handle"] for product in data["products"]]
    links = [urljoin(url, f"/products/{quote(handle, safe='')}.js") for handle in handles]
    if len(handles) == SHOPIFY_PAGE_SIZE:
        links.append(_next_page(url))
    return PageRecord(links=tuple(links))


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
