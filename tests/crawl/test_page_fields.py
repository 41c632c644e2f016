"""A product's fields: which part of a page each comes from, and clean text."""

from __future__ import annotations

import pytest

from pvtt.crawl.drafts import ProductDraft
from pvtt.crawl.markup import largest_of_srcset
from pvtt.crawl.pages import read_html_page
from pvtt.crawl.text import plain_id, plain_text, plain_title
from tests.crawl.site import json_ld

URL = "https://www.acme.example/products/ring-1"
BARE = {"@type": "Product", "name": "x"}
NAMED = {"@type": "Product", "name": "Gold ring", "sku": "R1"}


def page_of(*things: dict, head: str = "", body: str = "") -> str:
    return json_ld(*things).replace("<head>", f"<head>{head}").replace("<body>", f"<body>{body}")


def draft_of(page: str, url: str = URL) -> ProductDraft:
    (draft,) = read_html_page(page, url).drafts
    return draft


def photos(draft: ProductDraft) -> list[str]:
    return [ref.url.removeprefix("https://www.acme.example") for ref in draft.photos]


def videos(draft: ProductDraft) -> list[str]:
    return [ref.url.removeprefix("https://www.acme.example") for ref in draft.videos]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Ring <3 mm wide", "Ring <3 mm wide"),
        ("Ring &lt;3 mm &amp; 2 > 1", "Ring <3 mm & 2 > 1"),
        ("<b>Gold</b> ring<br/>", "Gold ring"),
        ("<h1 class='x'>Gold ring</h1>", "Gold ring"),
        ("Caf&amp;eacute; &amp;amp; cup", "Café & cup"),
        ("&lt;b&gt;Gold&lt;/b&gt; ring", "Gold ring"),
        ("<style>.a{color:red}</style>Gold ring", "Gold ring"),
        (".css-1x{color:red;} Gold ring", "Gold ring"),
        ("<script>var a = '<b>'</script>Gold ring", "Gold ring"),
        ("<!-- new -->Gold ring", "Gold ring"),
        ("CafÃ© cup â€“ blue", "Café cup – blue"),
        ("Gold\u200b\u00a0ring\ufeff\n \t x", "Gold ring x"),
        ("Size {S: M}", "Size {S: M}"),
        ("金戒指", "金戒指"),
        (7.0, "7"),
        (True, ""),
    ],
)
def test_text_is_clean(text: str, clean: str) -> None:
    assert plain_text(text, 300) == clean


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Gold ring | Acme", "Gold ring"),
        ("Gold ring – Size 7 - ACME Shop", "Gold ring – Size 7"),
        ("Acme: Gold ring", "Acme: Gold ring"),
        ("Acme | Gold ring", "Gold ring"),
        ("Gold ring : acme.example", "Gold ring"),
        ("Gold-plated ring - 18k", "Gold-plated ring - 18k"),
        ("Acme", "Acme"),
    ],
)
def test_a_title_has_no_shop_in_it(text: str, title: str) -> None:
    assert plain_title(text, ("Acme", "acme.example")) == title


@pytest.mark.parametrize(
    ("raw", "found"),
    [("sku:17", "17"), ("ISBN: 978", "978"), ("N/A", ""), ("{{ product.sku }}", ""), ("undefined", ""), (17, "17")],
)
def test_ids_are_ids(raw: object, found: str) -> None:
    assert plain_id(raw) == found


@pytest.mark.parametrize(
    ("page", "product_id"),
    [
        (page_of({**NAMED, "mpn": "M"}), "R1"),
        (page_of({"@type": "Product", "name": "x", "mpn": "M-1", "gtin13": "4006381333931"}), "M-1"),
        (page_of({"@type": "Product", "name": "x", "gtin13": 4006381333931}), "4006381333931"),
        (page_of({"@type": "Product", "name": "x", "sku": "N/A", "offers": [{"sku": "O1"}, {"sku": "O1"}]}), "O1"),
        (page_of({"@type": "Product", "name": "x", "offers": [{"sku": "O1"}, {"sku": "O2"}]}), "ring-1"),
        (page_of(BARE, head='<meta property="product:retailer_item_id" content="M9">'), "M9"),
        (page_of(BARE, body='<p>SKU: <b>AB-12</b></p>'), "AB-12"),
        (page_of(BARE, body='<p>Artikelnummer 4711</p>'), "4711"),
        (page_of(BARE, body='<span itemprop="sku">Z9</span>'), "Z9"),
        (page_of(BARE, body='<i data-sku="Z1"></i><i data-sku="Z2"></i>'), "ring-1"),
        (page_of(BARE, body='<p><i data-sku="Z1"></i></p><div><h1>x</h1><i data-sku="Z2"></i></div>'), "Z2"),
        (page_of(BARE, body='<div class="product-detail" data-pid="Z3"></div><p data-pid="Z4"></p>'), "Z3"),
    ],
)  # fmt: skip
def test_where_an_id_comes_from(page: str, product_id: str) -> None:
    assert draft_of(page).product_id == product_id


CRUMBS = {
    "@type": "BreadcrumbList",
    "itemListElement": [
        {"@type": "ListItem", "position": 3, "name": "Gold ring"},
        {"@type": "ListItem", "position": 1, "item": {"@id": "/", "name": "Home"}},
        {"@type": "ListItem", "position": "2", "name": "Rings &amp; bands"},
    ],
}


@pytest.mark.parametrize(
    ("page", "category"),
    [
        (page_of({**NAMED, "category": "Own"}, CRUMBS), "Own"),
        (page_of(NAMED, CRUMBS), "Rings & bands"),
        (page_of(NAMED, {"@type": "WebPage", "breadcrumb": CRUMBS}), "Rings & bands"),
        (page_of({**NAMED, "category": 1604}, CRUMBS), "Rings & bands"),
        (page_of(NAMED, body='<nav class="Breadcrumbs"><a>Home</a> / <a>Rings</a> / <a>Gold ring</a></nav>'), "Rings"),
        (page_of(NAMED, body='<ul id="breadcrumb"><li><a>Home</a></li><li>Gold ring</li></ul>'), "uncategorised"),
        (page_of(NAMED, head='<meta property="product:category" content="Jewellery > Rings">'), "Rings"),
    ],
)
def test_where_a_category_comes_from(page: str, category: str) -> None:
    assert draft_of(page).category == category


OG = ('<meta property="og:image" content="/og.jpg"><meta property="og:video" content="/og.mp4">'
      '<meta property="og:description" content="Fine.">')  # fmt: skip


def test_open_graph_fills_what_the_product_data_leaves_out() -> None:
    draft = draft_of(page_of(NAMED, head=OG))
    assert (photos(draft), videos(draft), draft.description) == (["/og.jpg"], ["/og.mp4"], "Fine.")
    full = {**NAMED, "image": "/a.jpg", "video": {"contentUrl": "/a.mp4"}, "description": "Own."}
    draft = draft_of(page_of(full, head=OG))
    assert (photos(draft), videos(draft), draft.description) == (["/a.jpg"], ["/a.mp4"], "Own.")


def test_microdata_fills_what_json_ld_leaves_out_and_the_reverse() -> None:
    body = ('<div itemscope itemtype="http://SCHEMA.org/product"><h1 itemprop="name">Gold ring</h1>'
            '<img itemprop="image" src="data:image/gif;base64,R0" data-src="/m.jpg"></div>')  # fmt: skip
    draft = draft_of(page_of(NAMED, body=body))
    assert (draft.product_id, photos(draft)) == ("R1", ["/m.jpg"])


def test_a_name_beside_the_brands_is_the_headings() -> None:
    body = ('<h1>Gold ring</h1><div itemscope itemtype="https://schema.org/Product"><b itemprop="name">Acme</b>'
            '<i itemprop="name">Gold Ring</i><img itemprop="image" src=""></div>')  # fmt: skip
    draft = draft_of(page_of(body=body))
    assert (draft.title, photos(draft)) == ("Gold Ring", [])


def test_a_nameless_product_has_the_heading_of_a_product_page() -> None:
    head = '<meta property="og:type" content="product"><meta property="og:title" content="Gold ring | Acme">'
    page = page_of({"@type": "Product", "aggregateRating": {"ratingValue": 5}}, head=head)
    assert draft_of(page).title == "Gold ring"


def test_rdfa() -> None:
    body = ('<div vocab="http://schema.org/" typeof="schema:Product"><h2 property="name">Gold ring</h2>'
            '<span property="schema:sku">R7</span><img property="image" src="/r.jpg">'
            '<p property="offers" typeof="Offer"><b property="name">Sale</b></p></div>')  # fmt: skip
    draft = draft_of(page_of(body=body))
    assert (draft.title, draft.product_id, photos(draft)) == ("Gold ring", "R7", ["/r.jpg"])


GALLERY = '<div class="product-gallery">{}</div><div class="related-products"><img src="/other.jpg"></div>'


@pytest.mark.parametrize(
    "image",
    [
        '<img src="/best.jpg">',
        '<img src="data:image/gif;base64,R0lGOD" data-src="/best.jpg">',
        '<img src="/img/placeholder.png" data-original="/best.jpg">',
        '<img src="/small.jpg" srcset="/mid.jpg 600w, /best.jpg 1200w, /small.jpg 90w">',
        '<img src="/small.jpg" data-srcset="/small.jpg 1x,/best.jpg 2x">',
        '<img src="/small.jpg" data-zoom-image="/best.jpg">',
        '<img data-src="/best_{width}x.jpg" src="data:,">',
        '<picture><source type="image/avif" srcset="/a 9w"><source srcset="/best.jpg 8w"><img src="/s.jpg"></picture>',
    ],
)
def test_the_largest_photo_that_the_gallery_shows(image: str) -> None:
    assert photos(draft_of(page_of(NAMED, body=GALLERY.format(image)))) == ["/best.jpg"]


def test_placeholders_are_no_photos() -> None:
    body = GALLERY.format('<img src="data:image/gif;base64,R0"><img src="/spacer.gif"><img src="/logo.svg">')
    assert photos(draft_of(page_of({**NAMED, "image": "data:image/png;base64,R0"}, body=body))) == []


@pytest.mark.parametrize(
    ("player", "found"),
    [
        ('<video src="/v.mp4"></video>', ["/v.mp4"]),
        ('<video data-src="/v.mp4"></video>', ["/v.mp4"]),
        ('<video src="blob:https://x" data-src="/v.mp4"></video>', ["/v.mp4"]),
        (
            '<video><source data-src="/v.webm" type="video/webm"><source src="/v.mp4" type="video/mp4"></video>',
            ["/v.mp4"],
        ),
        ('<video><source src="/v.m3u8" type="application/x-mpegURL"><source src="/v.mp4"></video>', ["/v.mp4"]),
        ('<video><source src="/v.m3u8" type="application/x-mpegURL"></video>', ["/v.m3u8"]),
        ('<video src="/1.mp4"></video><video src="/2.mp4"></video>', ["/1.mp4", "/2.mp4"]),
        (
            '<div class="related-products"><video src="/other.mp4"></video></div><video src="/1.mp4"></video>',
            ["/1.mp4"],
        ),
        ('<section id="customer-reviews"><video src="/r.mp4"></video></section>', []),
        ('<footer><video src="/shop.mp4"></video></footer>', []),
        ('<audio><source src="/a.mp3" type="audio/mpeg"></audio>', []),
    ],
)
def test_what_the_page_plays(player: str, found: list[str]) -> None:
    assert videos(draft_of(page_of(NAMED, body=player))) == found


@pytest.mark.parametrize(
    ("srcset", "largest"),
    [
        ("/a,b.jpg 1x, /c.jpg 2x", "/c.jpg"),
        ("/only.jpg", "/only.jpg"),
        ("/a.jpg?w=1,2 100w,\n/b.jpg?w=2,3 200w", "/b.jpg?w=2,3"),
        ("", ""),
        ("data:image/gif;base64,R0 1w", ""),
    ],
)
def test_a_srcset(srcset: str, largest: str) -> None:
    assert largest_of_srcset(srcset) == largest


SHOP_PAGE = (
    '<header><h1><svg><title>icon</title></svg>Acme</h1></header><h1>Gold ring <style>.x{{}}</style></h1>'
    '<span class="price">3 €</span><form action="/cart/add"><button>Add to cart</button></form>{}'
)  # fmt: skip


def test_a_product_page_without_any_product_data() -> None:
    draft = draft_of(page_of(body=SHOP_PAGE.format('<div id="gallery"><img src="/g.jpg"></div><p>Item no. 77-B</p>')))
    assert (draft.title, draft.product_id, photos(draft)) == ("Gold ring", "77-B", ["/g.jpg"])


@pytest.mark.parametrize("url", ["https://www.acme.example/", "https://www.acme.example/blog/rings"])
def test_a_page_with_a_cart_alone_is_no_product(url: str) -> None:
    body = '<h1>Rings</h1><form action="/cart/add"><button>Add to cart</button></form>'
    assert read_html_page(page_of(body=body), url).drafts == ()


@pytest.mark.parametrize(
    ("body", "url", "title"),
    [
        ('<h1 class="product-title">Gold ring</h1><p>3,50 €</p><button>Add to bag</button>', "/x", "Gold ring"),
        ('<h1><b id="productTitle">Gold ring</b> <i>used</i></h1><input name="ASIN" value="B1">$3', "/x", "Gold ring"),
        ('<h1>Gold ring</h1><p class="price">3</p><button name="buy-now">x</button>', "/dp/B1", "Gold ring"),
        ('<script>dataLayer = [{"pageType": "product"}]</script><h1>Gold ring</h1>3 USD', "/x", "Gold ring"),
        ('<h1>Rings</h1><p class="price">3</p><a href="/a">a</a>', "/rings/", None),
        ("<h1>About rings</h1><p>They cost $3.</p>", "/products/care", None),
        ("<h1>Rings</h1>" + 4 * '<form action="/cart/add"><input name="sku" value="{}"></form>$3', "/products/", None),
    ],
)  # fmt: skip
def test_signs_of_a_product_page(body: str, url: str, title: str | None) -> None:
    for number in range(4):
        body = body.replace("{}", str(number), 1)
    drafts = read_html_page(page_of(body=body), f"https://www.acme.example{url}").drafts
    assert [draft.title for draft in drafts] == ([title] if title else [])


def test_a_catalogue_page_is_no_product() -> None:
    head = '<meta property="og:type" content="product.group"><meta property="og:title" content="Rings">'
    assert read_html_page(page_of(head=head), URL).drafts == ()
    body = SHOP_PAGE.format("").replace("<header>", '<script>document.body.className = "x"</script><header>')
    page = page_of(body=body).replace("<body>", '<body class="collection-template">')
    assert read_html_page(page, URL).drafts == ()
