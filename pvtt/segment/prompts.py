"""What a detector by words is asked for: the noun of a product's title and of its category, in English.

Grounding DINO's text encoder reads English alone, so Chinese nouns are looked up. Where neither title nor category
names a thing that stands here, it is asked for a product.
"""

from __future__ import annotations

import re

PRODUCT = "{product}"  # in `segment.text`: what the product's words give
UNKNOWN = "product"

_NOUNS = """
ring bracelet bangle necklace pendant earring brooch anklet cufflink watch chain jewellery jewelry bottle flask
thermos jar can tin tube box case carton pouch bag backpack handbag wallet purse suitcase belt mug cup glass
tumbler teapot kettle bowl plate vase pot pan shoe sneaker boot sandal slipper heel hat cap scarf glove sock
shirt dress jacket coat skirt sweater sunglasses glasses lamp candle clock pillow blanket towel umbrella toy
doll phone headphone earphone earbud speaker camera keyboard mouse laptop tablet charger lipstick perfume serum
cream shampoo toothbrush razor knife spoon fork chair table sofa bicycle drone
"""
NOUNS = frozenset(_NOUNS.split())
CHINESE = {
    **dict.fromkeys(("戒指", "指环", "对戒", "钻戒", "婚戒", "女戒", "男戒"), "ring"),
    **dict.fromkeys(("手链", "手串", "手绳"), "bracelet"),
    **dict.fromkeys(("手镯", "镯子"), "bangle"),
    **dict.fromkeys(("项链", "锁骨链", "颈链"), "necklace"),
    **dict.fromkeys(("吊坠", "挂坠", "坠子"), "pendant"),
    **dict.fromkeys(("耳环", "耳钉", "耳坠", "耳饰", "耳夹"), "earring"),
    **dict.fromkeys(("手表", "腕表", "机械表", "石英表", "表"), "watch"),
    **dict.fromkeys(("瓶子", "水瓶", "香水瓶", "酒瓶", "水壶", "瓶"), "bottle"),
    **dict.fromkeys(("盒子", "礼盒", "首饰盒", "包装盒", "盒"), "box"),
    **dict.fromkeys(("马克杯", "咖啡杯", "陶瓷杯"), "mug"),
    **dict.fromkeys(("杯子", "水杯", "茶杯", "杯"), "cup"),
    **dict.fromkeys(("运动鞋", "跑鞋", "球鞋", "板鞋", "小白鞋"), "sneaker"),
    **dict.fromkeys(("鞋子", "皮鞋", "高跟鞋", "单鞋", "鞋"), "shoe"),
    **dict.fromkeys(("手提包", "单肩包", "斜挎包", "女包", "包包"), "handbag"),
    **dict.fromkeys(("双肩包", "书包", "背包"), "backpack"),
    **dict.fromkeys(("耳机", "头戴式耳机"), "headphone"),
    **{"胸针": "brooch", "脚链": "anklet", "袖扣": "cufflink", "首饰": "jewellery", "珠宝": "jewellery"},
    **{"保温杯": "thermos", "茶壶": "teapot", "玻璃杯": "glass", "花瓶": "vase", "碗": "bowl", "盘子": "plate"},
    **{
        "罐": "jar",
        "罐子": "jar",
        "钱包": "wallet",
        "皮带": "belt",
        "靴子": "boot",
        "凉鞋": "sandal",
        "拖鞋": "slipper",
    },
    **{"帽子": "hat", "围巾": "scarf", "眼镜": "glasses", "墨镜": "sunglasses", "太阳镜": "sunglasses"},
    **{"口红": "lipstick", "香水": "perfume", "面霜": "cream", "精华": "serum", "洗发水": "shampoo"},
    **{"手机": "phone", "手机壳": "case", "音箱": "speaker", "相机": "camera", "键盘": "keyboard", "鼠标": "mouse"},
    **{"台灯": "lamp", "蜡烛": "candle", "雨伞": "umbrella", "玩具": "toy", "行李箱": "suitcase", "刀": "knife"},
}
_LONGEST = max(map(len, CHINESE))
_SIDE = re.compile(r"\b(?:with|for|in|by|of|from|and)\b|[,;:|/()\[\]–—]|\s-\s")  # what follows tells of the thing


def prompt(text: str, caption: str, category: str) -> str:
    """`segment.text` with what the product's words give in place of `{product}`, for example `bangle. bracelet.`

    Args:
        text: Of the params; without `{product}` it is the prompt as it stands.
        caption: A clip's, which begins with what the product is.
        category: Of the product; of a path, such as `Home > Mugs`, the last part.
    """
    if PRODUCT not in text:
        return text
    named = re.split(r"[>/|»]", category)[-1]
    nouns = [noun_of(re.split(r"\.\s", caption, maxsplit=1)[0]), noun_of(named)]
    words = list(dict.fromkeys(noun for noun in nouns if noun is not None)) or [UNKNOWN]
    return text.replace(PRODUCT, ". ".join(words)).rstrip(". ") + "."


def noun_of(words: str) -> str | None:
    """The English noun of the thing that a title or a category names; None where it is not known.

    In English it is the last one before what the thing comes with (*Ring box with a ribbon*: box); in Chinese the
    first, or the last of several that stand side by side (*戒指盒*: box), as shops add words at a title's end.
    """
    for part in _SIDE.split(words.lower()):
        known = [noun for word in re.findall(r"[a-z]+", part) if (noun := _singular(word)) is not None]
        if known:
            return known[-1]
    return _first_chinese(words)


def _singular(word: str) -> str | None:
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in NOUNS:
            return form
    return None


def _first_chinese(words: str) -> str | None:
    found, place = None, 0
    while place < len(words):
        length = next((size for size in range(_LONGEST, 0, -1) if words[place : place + size] in CHINESE), 0)
        if length:
            found = CHINESE[words[place : place + length]]
        elif found is not None:
            break
        place += max(1, length)
    return found
