from __future__ import annotations

import json

import pytest

from pvtt.crawl import crawl
from pvtt.crawl.adapters import adapter_start, read_json_page
from pvtt.files.workspace import Workspace
from pvtt.records.catalog import read_catalog
from tests.crawl.checks import check_catalog
from tests.crawl.site import Site, photo_bytes, video_bytes


def test_a_shopify_shop_is_read_through_its_storefront_json(site: Site, workspace: Workspace) -> None:
    site.add_html("/", "<html><script>Shopify.theme = {}</script><a href='/products/ring'>ring</a></html>")
    site.add("/products.json?limit=250&page=1", json.dumps({"products": [{"id": 7, "handle": "ring"}]}),
             headers={"Content-Type": "application/json"})  # fmt: skip
    sources = [
        {"url": "/v-360.mp4", "mime_type": "video/mp4", "height": 360},
        {"url": "/v-720.mp4", "mime_type": "video/mp4", "height": 720},
        {"url": "/v.m3u8", "mime_type": "application/x-mpegURL", "height": 1080},
    ]
    product = {
        "id": 7,
        "title": "Ring",
        "type": "Rings",
        "description": "<p>Gold.</p>",
        "url": "/products/ring",
        "images": ["/1.png"],
        "media": [{"media_type": "video", "sources": sources}, {"media_type": "image", "src": "/1.png"}],
    }
    site.add("/products/ring.js", json.dumps(product), headers={"Content-Type": "text/javascript"})
    site.add("/v-720.mp4", video_bytes(1))
    site.add("/1.png", photo_bytes(1, "PNG"))
    crawl(workspace, site.params())
    check_catalog(workspace)
    found = read_catalog(workspace.data)["7"]
    assert (found.title, found.category, found.page_url) == ("Ring", "Rings", f"{site.url}products/ring")
    assert found.videos[0].url == f"{site.url}v-720.mp4"
    assert "/products/ring" not in site.fetched()


def test_a_full_list_leads_to_the_next_page() -> None:
    text = json.dumps({"products": [{"handle": f"h{number}"} for number in range(250)]})
    record = read_json_page(text, "https://shop.example/products.json?limit=250&page=3")
    assert record is not None
    assert record.links[0] == "https://shop.example/products/h0.js"
    assert record.links[-1] == "https://shop.example/products.json?limit=250&page=4"


def test_woocommerce_products() -> None:
    start = adapter_start(
        '<link rel="https://api.w.org/" href="/wp-json/"><body class="woocommerce">', "https://shop.example/"
    )
    assert start == "https://shop.example/wp-json/wc/store/v1/products?page=1&per_page=100"
    entry = {
        "id": 3,
        "sku": "MUG-3",
        "name": "Mug &amp; lid",
        "permalink": "https://shop.example/product/mug",
        "description": '<p>Blue.</p><video src="/m.mp4"></video>',
        "categories": [{"name": "Mugs"}],
        "images": [{"src": "https://shop.example/m.jpg"}],
    }
    record = read_json_page(json.dumps([entry]), start)
    assert record is not None
    assert record.links == ()
    (draft,) = record.drafts
    assert (draft.product_id, draft.title, draft.category, draft.description) == ("MUG-3", "Mug & lid", "Mugs", "Blue.")
    assert draft.videos[0].url == "https://shop.example/m.mp4"


@pytest.mark.parametrize("text", ["", "[1]", '{"products": 3}', '[{"id": 1}]', "<html>"])
def test_json_of_another_shape_is_a_problem_not_a_crash(text: str) -> None:
    for path in ("/products.json", "/products/x.js", "/wp-json/wc/store/v1/products"):
        record = read_json_page(text, f"https://shop.example{path}")
        assert record is not None
        assert record.problem is not None
    assert read_json_page(text, "https://shop.example/other") is None
