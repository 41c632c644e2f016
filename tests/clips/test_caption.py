"""One sentence, once."""

from __future__ import annotations

import pytest

from pvtt.clips.caption import caption_of


@pytest.mark.parametrize(
    ("title", "description", "caption"),
    [
        ("Elanibel gold ring", "a gold ring on a plain backdrop", "a gold ring on a plain backdrop"),
        ("Gold ring", "Gold ring. Gold ring. Buy now!", "Gold ring"),
        ("Gold Ring", "A timeless gift for her. Ships in two days.", "Gold Ring, A timeless gift for her"),
        ("Gold ring.", "", "Gold ring"),
        ("", "A mug.\n\nDishwasher safe.", "A mug"),
        ("", "", ""),
        ("Kettle", "approx. 1.5 litres of water boil in it. Steel", "Kettle, approx. 1.5 litres of water boil in it"),
        ("Steel  kettle\n", "A steel\nkettle with\ta gooseneck! More", "A steel kettle with a gooseneck"),
        ("925银戒指", "这款925银戒指采用手工雕刻。全国包邮。", "这款925银戒指采用手工雕刻"),
        ("珍珠项链", "送给妈妈的礼物！包邮", "珍珠项链, 送给妈妈的礼物"),
        ("Ring", "Bague en or 18 carats. Livraison gratuite", "Ring, Bague en or 18 carats"),
    ],
)
def test_it_says_what_the_product_is_once(title: str, description: str, caption: str) -> None:
    assert caption_of(title, description) == caption
