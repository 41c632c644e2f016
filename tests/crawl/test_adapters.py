from __future__ import annotations

import json

import pytest

from pvtt.crawl import crawl
from pvtt.crawl.adapters import adapter_start, read_json_page
from pvtt.errors import PvttError
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


SHOPIFY_PAGE = "<script>Shopify.theme = {}</script><a href='/products/A1.html'>x</a>"
WOO_PAGE = (
    '<link rel="https://api.w.org/" href="/shop/wp-json/"><body class="woocommerce"><a href="/products/A1.html">x</a>'
)
SHOPIFY_JSON = "/products.json?limit=250&page=1"
WOO_JSON = "/shop/wp-json/wc/store/v1/products?page=1&per_page=100"


@pytest.mark.parametrize(
    ("page", "path", "answer"),
    [
        (SHOPIFY_PAGE, SHOPIFY_JSON, {"body": "gone", "status": 404}),
        (SHOPIFY_PAGE, SHOPIFY_JSON, {"body": "<html>enter the password</html>"}),
        (WOO_PAGE, WOO_JSON, {"body": '{"code": "rest_forbidden"}', "status": 401}),
    ],
)
def test_a_shop_whose_list_is_off_is_read_from_its_pages(
    page: str, path: str, answer: dict, site: Site, workspace: Workspace
) -> None:
    site.add_product("A1", 1)
    site.add_html("/", page)
    site.add(path, **answer)
    summary = crawl(workspace, site.params())
    assert list(read_catalog(workspace.data)) == ["A1"]
    assert (summary.complete, summary.rejects, path in site.fetched()) == (True, {}, True)


def test_a_list_that_fails_for_now_is_not_replaced_by_pages(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add_html("/", SHOPIFY_PAGE)
    site.add(SHOPIFY_JSON, "busy", status=500)
    with pytest.raises(PvttError, match="no product was found"):
        crawl(workspace, site.params())
    assert "/products/A1.html" not in site.fetched()


def test_a_product_without_its_document_is_read_from_its_page(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.pages["/products/a-ring"] = site.pages.pop("/products/A1.html")
    site.add_html("/", SHOPIFY_PAGE)
    site.add(SHOPIFY_JSON, json.dumps({"products": [{"handle": "a-ring"}]}))
    crawl(workspace, site.params())
    assert list(read_catalog(workspace.data)) == ["A1"]


def test_a_shop_may_be_read_from_its_pages_by_choice(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add_html("/", SHOPIFY_PAGE)
    crawl(workspace, site.params(adapter="pages"))
    assert SHOPIFY_JSON not in site.fetched()
    assert list(read_catalog(workspace.data)) == ["A1"]


@pytest.mark.parametrize(
    ("page", "start", "found"),
    [
        ("Shopify.theme = {}", "/", "/products.json?limit=250&page=1"),
        ('Shopify.theme = {}; Shopify.routes.root = "/en-de/"', "/en-de", "/en-de/products.json?limit=250&page=1"),
        (
            "cdn.shopify.com <a href='/shop/collections/all'><a href=\"https://x/shop/products/a\">",
            "/shop/",
            "/shop/products.json?limit=250&page=1",
        ),
        ('<link rel="https://api.w.org/" href="/wp-json/">woocommerce', "/", f"/wp-json{WOO_JSON[13:]}"),
        ('woocommerce <script>{"root":"https:\\/\\/shop.example\\/shop\\/wp-json\\/"}', "/shop/", WOO_JSON),
        (
            '<link rel="https://api.w.org/" href="/shop/?rest_route=/">woocommerce',
            "/shop/",
            "/shop/?rest_route=%2Fwc%2Fstore%2Fv1%2Fproducts&page=1&per_page=100",
        ),
    ],
)
def test_a_shop_need_not_lie_at_the_root_of_its_host(page: str, start: str, found: str) -> None:
    url = adapter_start(page, f"https://shop.example{start}")
    assert url == f"https://shop.example{found}"
    record = read_json_page("[]" if "wc" in found else '{"products": [{"handle": "a"}]}', url)
    assert record is not None
    assert record.problem is None
    prefix = found.partition("products.json")[0]
    assert "wc" in found or record.links == (f"https://shop.example{prefix}products/a.js",)
