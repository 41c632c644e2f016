from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvtt.crawl.drafts import ProductDraft, product_id_of
from pvtt.crawl.pages import read_html_page
from tests.crawl.site import json_ld

URL = "https://shop.example/products/ring-1?v=2"


def draft_of(html: str, url: str = URL) -> ProductDraft:
    (draft,) = read_html_page(html, url).drafts
    return draft


def urls(refs: tuple) -> list[str]:
    return [ref.url for ref in refs]


def test_a_json_ld_product() -> None:
    draft = draft_of(
        json_ld(
            {
                "@context": "https://schema.org",
                "@type": "Product",
                "sku": "JEWE001",
                "name": "  Gold <b>ring</b> &amp; box ",
                "category": "Home > Jewellery > Rings",
                "description": "<p>Fine.</p>",
                "license": "https://creativecommons.org/licenses/by/4.0/",
                "image": ["/a.jpg", {"@type": "ImageObject", "contentUrl": "b.jpg", "license": "CC0"}, "/a.jpg#x"],
                "video": [{"@type": "VideoObject", "contentUrl": "//cdn.example/v.mp4", "url": "/watch"}],
            }
        )
    )
    assert (draft.product_id, draft.title, draft.category, draft.description) == (
        "JEWE001",
        "Gold ring & box",
        "Rings",
        "Fine.",
    )
    assert draft.page_url == URL
    assert draft.license == "https://creativecommons.org/licenses/by/4.0/"
    assert urls(draft.videos) == ["https://cdn.example/v.mp4"]
    assert urls(draft.photos) == ["https://shop.example/a.jpg", "https://shop.example/products/b.jpg"]
    assert draft.photos[1].license == "CC0"


def test_a_graph_with_references_and_videos_beside_the_product() -> None:
    draft = draft_of(
        json_ld(
            {
                "@graph": [
                    {
                        "@type": ["Product", "Thing"],
                        "@id": "#p",
                        "name": "Mug",
                        "productID": 17,
                        "image": {"@id": "#i"},
                    },
                    {"@type": "http://schema.org/ImageObject", "@id": "#i", "url": "/i.png"},
                    {"@type": "VideoObject", "contentUrl": "/v.webm"},
                    {"@type": "VideoObject", "embedUrl": "https://player.example/1", "url": "https://player.example/1"},
                ]
            }
        )
    )
    assert (draft.product_id, draft.category) == ("17", "uncategorised")
    assert urls(draft.videos) == ["https://shop.example/v.webm"]
    assert urls(draft.photos) == ["https://shop.example/i.png"]


def test_microdata() -> None:
    draft = draft_of(
        """<html><head><base href="/media/"></head><body><div itemscope itemtype="https://schema.org/Product">
        <span itemprop="name">Box</span><meta itemprop="sku" content="B-1"><img itemprop="image" src="1.jpg">
        <div itemprop="video" itemscope itemtype="https://schema.org/VideoObject">
        <link itemprop="contentUrl" href="1.mp4"></div>
        </div></body></html>"""
    )
    assert (draft.product_id, draft.title) == ("B-1", "Box")
    assert urls(draft.videos) == ["https://shop.example/media/1.mp4"]
    assert urls(draft.photos) == ["https://shop.example/media/1.jpg"]


def test_open_graph_is_the_fallback_and_players_are_not_videos() -> None:
    draft = draft_of(
        """<html><head><meta property="og:type" content="product"><meta property="og:title" content="Watch">
        <meta property="og:image" content="/w.jpg"><meta property="og:video" content="/w.mp4">
        <meta property="og:video" content="https://player.example/w"><meta property="og:video:type" content="text/html">
        <meta property="product:retailer_item_id" content="W 1"><link rel="license" href="/license"></head></html>"""
    )
    assert draft.product_id == product_id_of("W 1")
    assert urls(draft.videos) == ["https://shop.example/w.mp4"]
    assert draft.license == "https://shop.example/license"


def test_videos_that_the_page_plays_where_its_data_names_none() -> None:
    page = json_ld({"@type": "Product", "name": "Mug"}).replace("<body>", '<body><video><source src="/m.mp4"></video>')
    assert urls(draft_of(page).videos) == ["https://shop.example/m.mp4"]


def test_the_id_falls_back_to_the_canonical_url() -> None:
    page = json_ld({"@type": "Product", "name": "Mug"}).replace(
        "<title>", '<link rel="canonical" href="/products/mug.html"><title>'
    )
    draft = draft_of(page)
    assert (draft.product_id, draft.page_url) == ("mug", "https://shop.example/products/mug.html")


def test_a_list_of_products_is_a_page_of_links() -> None:
    page = json_ld(*[{"@type": "Product", "name": str(n), "url": f"/p/{n}"} for n in range(3)])
    targets = ["/p/1", "/p/1#top", "https://else.example/", "/catalogue.pdf", "mailto:a@b.c", "http://[broken"]
    page = page.replace("<body>", "<body>" + "".join(f'<a href="{target}">x</a>' for target in targets))
    record = read_html_page(page, URL)
    assert record.drafts == ()
    assert record.problem is None
    assert record.links == ("https://shop.example/p/1",)


def test_its_own_product_is_chosen_among_related_ones() -> None:
    page = json_ld(
        {"@type": "Product", "name": "Other", "url": "/p/2"}, {"@type": "Product", "name": "Own", "url": "/p/1"}
    )
    assert draft_of(page, "https://shop.example/p/1").title == "Own"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ('<script type="application/ld+json">{"@type": "Product", "name": </script>', "cannot be read"),
        ('<script type="application/ld+json">{"@type": "Product"' + "[" * 100_000 + "</script>", "cannot be read"),
        (json_ld({"@type": "Product", "name": ["", {}]}), "no name"),
    ],
)
def test_broken_product_data_is_a_problem(page: str, words: str) -> None:
    record = read_html_page(page, URL)
    assert record.drafts == ()
    assert words in (record.problem or "")


def test_broken_json_ld_of_something_else_is_passed_over() -> None:
    page = json_ld({"@type": "Product", "name": "Mug"}).replace(
        "<head>", '<head><script type="application/ld+json">{oops</script>'
    )
    assert draft_of(page).title == "Mug"


@pytest.mark.parametrize(
    "page", ["", "\x00", "plain text", "<?xml version='1.0' encoding='utf-8'?><html/>", "<" * 10_000]
)
def test_a_page_of_nothing_has_nothing(page: str) -> None:
    record = read_html_page(page, URL)
    assert (record.drafts, record.links, record.problem) == ((), (), None)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.just("Product")
    | st.just("VideoObject"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["@type", "@id", "@graph", "name", "video", "url", "contentUrl", "license"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["name", "sku", "video", "image", "category", "subjectOf", "license", "url"]), VALUES
    )
)
def test_no_product_data_can_break_the_reader(fields: dict) -> None:
    read_html_page(json_ld({"@type": "Product", **fields}), URL)


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_ids_are_file_names_whatever_the_shop_says(raw: str) -> None:
    product_id = product_id_of(raw)
    ProductDraft(product_id=product_id, title="x", page_url="x")
    assert product_id_of(raw) == product_id


def test_different_ids_stay_different() -> None:
    raws = ["../../x", "..-..-x", "x", "a/b", "a-b", "a b", "é", "", "è", "x" * 100, "x" * 101]
    assert len({product_id_of(raw) for raw in raws}) == len(raws)
