"""A product's words to a detector's prompt, English and Chinese."""

from __future__ import annotations

import pytest

from pvtt.segment.prompts import prompt


@pytest.mark.parametrize(
    ("caption", "category", "expected"),
    [
        ("Silver ring with a blue stone. For her", "ring", "ring."),
        ("Aurora bangle. Rose gold", "Jewellery > Bracelets", "bangle. bracelet."),
        ("Ring box with a ribbon", "gifts", "box."),
        ("Set of rings", "", "ring."),
        ("Leather Watches for men", "accessories", "watch."),
        ("Stainless Steel Water Bottle, 750 ml", "bottle", "bottle."),
        ("925纯银戒指女小众设计感对戒礼盒装", "珠宝首饰", "ring. jewellery."),
        ("戒指盒 丝绒收纳", "包装", "box."),
        ("新款手镯女款", "手镯", "bangle."),
        ("Casio 卡西欧手表男", "钟表", "watch."),
        ("大容量保温杯", "水具/杯子", "thermos. cup."),
        ("Aurora 2 Pro", "new in", "product."),
        ("", "", "product."),
    ],
)
def test_the_nouns_of_title_and_category_are_asked_for(caption: str, category: str, expected: str) -> None:
    assert prompt("{product}.", caption, category) == expected


def test_a_prompt_of_the_params_stands_and_may_hold_more() -> None:
    assert prompt("product.", "Silver ring", "ring") == "product."
    assert prompt("hand. {product}.", "Silver ring", "ring") == "hand. ring."
