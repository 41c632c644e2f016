"""Which product is the page's: a row for each way in which shops write it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pvtt.crawl.choice import RULES, url_key
from pvtt.crawl.linked_data import json_ld as read_json_ld
from pvtt.crawl.pages import read_html_page
from tests.crawl.site import json_ld

URL = "https://www.shop.example/products/ring-1?variant=2"
OWN: dict[str, Any] = {"@type": "Product", "name": "Gold ring", "sku": "R1"}
OTHER = {"@type": "Product", "name": "Silver ring", "sku": "S1", "url": "/products/silver"}
THIRD = {"@type": "Product", "name": "Brass ring", "sku": "S2", "url": "/products/brass"}


def of(node: dict, **more: Any) -> dict:
    return {**node, **more}


OWN_PRODUCT = {
    # the way a type or a key is written
    "type in lower case": [of(OWN, **{"@type": "product"})],
    "type in upper case": [of(OWN, **{"@type": "PRODUCT"})],
    "type with a prefix": [of(OWN, **{"@type": "schema:Product"})],
    "type as an IRI": [of(OWN, **{"@type": "http://schema.org/Product"})],
    "type as an IRI with www and a slash": [of(OWN, **{"@type": "https://www.schema.org/Product/"})],
    "types in a list": [of(OWN, **{"@type": ["schema:Thing", "schema:IndividualProduct"]})],
    "keys with a prefix": [{"@type": "schema:Product", "schema:name": "Gold ring", "schema:sku": "R1"}],
    "expanded": [
        {
            "@type": ["http://schema.org/Product"],
            "http://schema.org/name": [{"@value": "Gold ring"}],
            "http://schema.org/sku": [{"@value": "R1"}],
        }
    ],
    "keywords without @": [{"@context": "https://schema.org", "type": "Product", "name": "Gold ring", "sku": "R1"}],
    # where it stands
    "a list at the top": [[OWN]],
    "a graph": [{"@context": "https://schema.org", "@graph": [{"@type": "WebSite", "name": "Shop"}, OWN]}],
    "a graph as one node": [{"@graph": OWN}],
    "the main entity of a page": [{"@type": "ItemPage", "mainEntity": OWN}, OTHER],
    "the main entity by its id": [{"@type": "WebPage", "mainEntity": {"@id": "#p"}}, of(OWN, **{"@id": "#p"}), OTHER],
    "in an offer": [{"@type": "Offer", "price": 3, "itemOffered": OWN}],
    "said in two scripts of one id": [
        {"@type": "Product", "@id": "#p", "name": "Gold ring"},
        {"@type": "Product", "@id": "#p", "sku": "R1"},
    ],
    # beside others
    "twice": [OWN, OWN],
    "twice, the one fuller": [{"@type": "Product", "name": "Gold ring"}, OWN],
    "a nameless node for its reviews": [{"@type": "Product", "aggregateRating": {"ratingValue": 4}}, OWN],
    "related products within it": [of(OWN, isRelatedTo=[OTHER, THIRD], isSimilarTo=OTHER)],
    "related products beside it": [OTHER, of(OWN, url="/products/ring-1?variant=2"), THIRD],
    "a list of related products": [{"@type": "ItemList", "itemListElement": [{"item": OTHER}, {"item": THIRD}]}, OWN],
    "related products, itself without a URL": [OTHER, THIRD, OWN],
    "a review of it": [{"@type": "Review", "itemReviewed": OWN}, OTHER],
    "its URL but for the scheme": [OTHER, of(OWN, url="http://www.shop.example/products/ring-1?variant=2")],
    "its URL but for www": [OTHER, of(OWN, url="https://shop.example/products/ring-1?variant=2")],
    "its URL but for a slash": [OTHER, of(OWN, url="https://www.shop.example/products/ring-1/?variant=2")],
    "its URL but for tracking": [OTHER, of(OWN, url=f"{URL}&utm_source=x&gclid=1#buy")],
    "its URL but for the variant": [OTHER, of(OWN, url="/products/ring-1")],
    "its URL by its id": [OTHER, of(OWN, **{"@id": f"{URL}#product"})],
    "its URL in its offer": [OTHER, of(OWN, offers={"url": URL})],
    "its URL in a list": [OTHER, of(OWN, url=["/elsewhere", URL])],
    "the page that it is the main entity of": [OTHER, of(OWN, mainEntityOfPage={"@type": "WebPage", "@id": URL})],
    # several of one kind
    "variants of one name": [of(OWN, size="S"), of(OWN, size="M", sku="R2"), of(OWN, size="L", sku="R3")],
    "a group with its variants": [
        of(OWN, **{"@type": "ProductGroup"}, hasVariant=[of(OTHER, name="Gold ring S"), of(THIRD, name="Gold ring M")])
    ],
    "a group and its variants in a graph": [
        {
            "@graph": [
                of(OTHER, name="Gold ring, S", isVariantOf={"@id": "#g"}),
                {"@type": "ProductGroup", "@id": "#g", "name": "Gold ring", "productGroupID": "R1"},
                of(OTHER, name="Gold ring, M", sku="S9", inProductGroupWithID="R1"),
            ]
        }
    ],
    "a group that refers to its variants": [
        of(OWN, **{"@type": "ProductGroup", "hasVariant": [{"@id": "#s"}, {"@id": "#m"}]}),
        of(OTHER, name="Gold ring, S", **{"@id": "#s"}),
        of(OTHER, name="Gold ring, M", **{"@id": "#m"}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("things", OWN_PRODUCT.values(), ids=OWN_PRODUCT)
def test_the_page_has_this_product(things: list) -> None:
    (draft,) = read_html_page(json_ld(*things), URL).drafts
    assert (draft.title, draft.product_id) == ("Gold ring", "R1")


def test_the_canonical_url_finds_it_too() -> None:
    page = json_ld(OTHER, of(OWN, url="/rings/gold")).replace(
        "<title>", "<link rel=canonical href='/rings/gold/'><title>"
    )
    assert read_html_page(page, URL).drafts[0].title == "Gold ring"


def test_the_heading_finds_it_too() -> None:
    nodes = [of(OTHER, url=None), of(OWN, url=None)]
    page = json_ld(*nodes).replace("<body>", "<body><h1>Gold <b>ring</b></h1>")
    assert read_html_page(page, URL).drafts[0].title == "Gold ring"


@pytest.mark.parametrize("products", [[OTHER, THIRD], [of(OTHER, name="Ring"), of(THIRD, name="Ring")]])
def test_products_of_other_pages_are_links(products: list) -> None:
    record = read_html_page(json_ld(*products), URL)
    assert (record.drafts, record.problem) == ((), None)


def test_a_lone_product_that_the_page_links_to_is_another_pages() -> None:
    page = json_ld(OTHER).replace("<body>", '<body><h1>Rings</h1><a href="/products/silver">see</a>')
    assert read_html_page(page, "https://www.shop.example/rings").drafts == ()


def test_a_group_has_what_its_variants_show() -> None:
    variant = of(OTHER, image="/s.jpg", video={"@type": "VideoObject", "contentUrl": "/s.mp4"})
    group = {"@type": "ProductGroup", "name": "Gold ring", "productGroupID": "G", "hasVariant": [variant]}
    (draft,) = read_html_page(json_ld(group), URL).drafts
    assert [ref.url for _, ref in draft.refs()] == [
        "https://www.shop.example/s.mp4",
        "https://www.shop.example/s.jpg",
    ]


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://shop.example/a", "https://www.SHOP.example:443/a/#x", True),
        ("https://shop.example/a?b=1&c=2", "https://shop.example/a?c=2&b=1&fbclid=9", True),
        ("https://shop.example/%C3%A9", "https://shop.example/é", True),
        ("https://shop.example/a/index.html", "https://shop.example/a", True),
        ("https://shop.example/a", "https://shop.example/A", False),
        ("https://shop.example/a?id=1", "https://shop.example/a?id=2", False),
        ("https://shop.example/a", "https://shop.example:8443/a", False),
    ],
)
def test_two_urls_of_one_page(one: str, other: str, same: bool) -> None:
    assert (url_key(one) == url_key(other)) is same


SCRIPT = '"@type": "Product", "name": "Gold ring", "sku": "R1"'


@pytest.mark.parametrize(
    ("media_type", "script"),
    [
        ("application/ld+json; charset=utf-8", f"{{{SCRIPT}}}"),
        ("application/LD+JSON", f"{{{SCRIPT}}}"),
        (" application/ld+json ", f"<!-- {{{SCRIPT}}} -->"),
        ("application/ld+json", f"//<![CDATA[\n{{{SCRIPT}}}\n//]]>"),
        ("application/ld+json", f"{{{SCRIPT}, }};"),
        ("application/ld+json", f'{{{SCRIPT}, "image": ["/a.jpg", ], /* more */ }}'),
        ("application/ld+json", f'{{{SCRIPT}, "description": "15" wide,\n tall\t and "fine""}}'),
        ("application/ld+json", f'{{{SCRIPT}, "description": "it\\\'s"}}'),
        ("application/ld+json", f'{{"@type": "WebSite"}}\n{{{SCRIPT}}}'),
        ("application/ld+json", f"\ufeff{{{SCRIPT}}}"),
        ("application/ld+json", f"{{{SCRIPT}}}".replace('"', "&amp;quot;").replace("&amp;", "&")),
    ],
)
def test_json_ld_that_is_not_quite_so(media_type: str, script: str) -> None:
    page = (
        f'<html><head><script type="application/ld+json">{{oops</script><script type="{media_type}">{script}</script>'
    )
    (draft,) = read_html_page(page, URL).drafts
    assert (draft.title, draft.product_id) == ("Gold ring", "R1")


def test_a_page_of_thousands_of_products_is_a_list_soon() -> None:
    products = [{"@type": "Product", "name": f"Ring {n}", "offers": [{"price": n}] * 3} for n in range(3000)]
    assert read_html_page(json_ld(*products, {"@graph": products}), URL).drafts == ()


@pytest.mark.parametrize(
    "text", ["/*" * 200_000, '"' * 200_001, "{" * 200_000, "<!--" * 50_000, ".a{" * 50_000, "::" * 90_000]
)
def test_hostile_text_is_given_up_soon(text: str) -> None:
    pages = [
        f'<script type="application/ld+json">{{"@type": "Product", "name": {text}</script>',
        json_ld({"@type": "Product", "name": f"x {text}", "description": text, "image": text}),
        f"<h1>x</h1><img srcset='{text}'><script>TShop.Setup({text}</script>",
    ]
    for page in pages:
        read_html_page(page, "https://item.taobao.com/products/1")


def test_a_long_broken_script_is_given_up_soon() -> None:
    from parsel import Selector

    script = json.dumps([{"@type": "Product", "name": 'x" y'}] * 5000).replace('\\"', '"')
    nodes, broken = read_json_ld(Selector(text=f'<script type="application/ld+json">{script}</script>'))
    assert (nodes, broken is not None) == ([], True)
