"""Whether a page without product data looks like the page of one product: `SIGNS`, each worth a point or two."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from pvtt.crawl.markup import PRODUCT_NAME, about

ENOUGH = 3  # points that make a product's page
MAX_BUTTONS = 12  # to buy something; the products beside it have some too
FEW_BUTTONS = 2  # more are a list's, unless the page has an id of its own or says that it is a product's
_CART = (
    "add-to-cart", "addtocart", "add_to_cart", "add-to-bag", "addtobag", "add_to_bag", "add-to-basket", "addtobasket",
    "add_to_basket", "buy-now", "buynow", "buybox", "buy-box", "/cart/add", "add to cart", "add to bag",
    "add to basket", "buy now", "in den warenkorb", "ajouter au panier", "añadir al carrito", "aggiungi al carrello",
    "in winkelwagen", "加入购物车", "カートに入れる", "koop nu", "do koszyka", "в корзину", "adicionar ao carrinho",
)  # fmt: skip
_CART_WORDS = re.compile("|".join(map(re.escape, _CART)))
_PATH = re.compile(
    r"/(?:products?|p|dp|item|itm|pd|produkt|produit|producto|prodotto|goods)[/_-]|[-_/](?:p|i|prd|pid)[-_]?\d{3,}|"
    r"[-_/]\d{5,}(?:\.html?|\.aspx|\.php|/)?$"
)
_BODIES = re.compile(
    r"single-product|product-page|template-product|catalog-product-view|product-template|\bpdp\b|product-detail"
)
_LISTS = re.compile(r"categor|collection|search|listing|archive|\bplp\b|wishlist|\bcart\b|checkout|\bblog\b|article")
_SCRIPTED = re.compile(
    r"""page_?type["']?\s*[:=,]\s*["'](?:product|pdp|product ?(?:page|detail)s?)["']""", re.IGNORECASE
)
_MONEY = re.compile(
    r"(?:[$€£¥₹₽]|US\$|USD|EUR|GBP|Rs\.?)\s?\d[\d.,]*|\d[\d.,]*\s?(?:€|£|zł|kr\b|Kč|руб|₽|円|元|USD|EUR)"
)
_IDS = (
    "//*[@itemprop='sku' or @itemprop='productID' or @data-product-id or @data-product-sku or @data-productid] | "
    "//input[@name='product_id' or @name='productId' or @name='product' or @name='sku' or @name='ASIN']"
)


def sells_one_product(page: Any, url: str) -> bool:
    """Whether the signs make a product's page."""
    body = page.root.xpath("//body")
    kind = about(body[0]).lower() if body else ""
    if _LISTS.search(kind) and not _BODIES.search(kind):
        return False
    points = {name: sign(page, url, kind) for name, sign in SIGNS.items()}
    is_its_own = points["own id"] or points["body"] or points["script"]
    return sum(points.values()) >= ENOUGH and bool(is_its_own or _num_buttons(page) <= FEW_BUTTONS)


def _num_buttons(page: Any) -> int:
    """Forms and buttons to buy something; what lies in a form counts with it."""
    found = [one for one in page.root.iter("form", "button", "input", "a") if _is_cart(one)]
    forms = {one for one in found if one.tag == "form"}
    return sum(1 for one in found if not any(outer in forms for outer in one.iterancestors("form")))


def _is_cart(element: Any) -> bool:
    names = ("class", "id", "name", "value", "action", "title", "aria-label")
    text = " ".join(element.get(name) or "" for name in names)
    shown = "" if element.tag == "form" else " ".join(element.itertext())[:200]
    return _CART_WORDS.search(f"{text} {' '.join(shown.split())}".lower()) is not None


def _has_cart(page: Any, url: str, kind: str) -> int:
    return int(0 < _num_buttons(page) <= MAX_BUTTONS)


def _has_price(page: Any, url: str, kind: str) -> int:
    if page.root.xpath("//*[@itemprop='price'] | //*[contains(@class, 'price')] | //*[contains(@id, 'price')]"):
        return 1
    return int(any(_MONEY.search(str(text)) for text in page.root.xpath("//body//text()[not(parent::script)]")))


def _has_path(page: Any, url: str, kind: str) -> int:
    return int(_PATH.search(urlsplit(url).path.lower()) is not None)


def _has_body(page: Any, url: str, kind: str) -> int:
    return 2 * int(_BODIES.search(kind) is not None)


def _has_script(page: Any, url: str, kind: str) -> int:
    return 2 * int(any(_SCRIPTED.search(str(text)) for text in page.root.xpath("//script/text()")))


def _has_name(page: Any, url: str, kind: str) -> int:
    marks = (f"{about(one)} {one.get('itemprop') or ''}" for one in page.root.xpath("//h1/descendant-or-self::*"))
    return int(any(PRODUCT_NAME.search(mark) for mark in marks))


def _has_id(page: Any, url: str, kind: str) -> int:
    names = ("content", "value", "data-product-id", "data-product-sku", "data-productid")
    found = (next((value for name in names if (value := one.get(name))), one.text) for one in page.root.xpath(_IDS))
    return int(0 < len(set(found)) <= FEW_BUTTONS)


SIGNS: dict[str, Callable[[Any, str, str], int]] = {
    "purchase button": _has_cart,
    "price": _has_price,
    "address": _has_path,
    "body": _has_body,
    "script": _has_script,
    "marked name": _has_name,
    "own id": _has_id,
}
"""Page, URL and what its body is called → points."""
