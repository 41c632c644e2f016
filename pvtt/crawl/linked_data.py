"""The structured data of a page: JSON-LD, microdata and RDFa, all as the same plain nodes."""
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from pvtt.errors import first_line

Node = dict[str, Any]

MAX_DEPTH = 12  # of values within values that are looked at
MAX_REPAIRS = 30  # of one script
_VOCABULARY = re.compile(
    r"^(?:https?://(?:www\.)?(?:schema\.org|data-vocabulary\.org|ogp\.me/ns)[/#]+|schema:|og:)", re.I
)
_WRAPPING = re.compile(r"^[\s;]*(?:<!--|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/|<!\[CDATA\[)|"
                       r"(?:-->|//\s*\]\]>|/\*\s*\]\]>\s*\*/|\]\]>)?[\s;]*$")  # fmt: skip
_KEYWORDS = {"type": "@type", "id": "@id", "graph": "@graph"}
_BAD_ESCAPE = re.compile(r'\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})')
_BLOCK_OR_LINE_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|/\*.*?(?:\*/|\Z)|^\s*//[^\n]*', re.DOTALL | re.MULTILINE)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_LD_JSON = "//script[contains(translate(@type, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), 'ld+json')]"


def types_of(node: Node) -> set[str]:
    """The local names of a node's types in lower case: `schema:Product` is `product`."""
    return {re.split(r"[/#:]", str(name).strip().rstrip("/#"))[-1].lower() for name in as_list(node.get("@type"))}


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def json_ld(page: Any) -> tuple[list[Node], str | None]:
    """The things at the top of a page's JSON-LD, and what is wrong with the first broken script about a product."""
    nodes: list[Node] = []
    broken = None
    for script in page.xpath(_LD_JSON):
        text = script.xpath("string()").get("")
        try:
            items = [_plain(item) for item in lenient_json(text)]
        except (ValueError, RecursionError) as error:
            if broken is None and "product" in text.lower():
                broken = f"its JSON-LD cannot be read: {first_line(error)}"
            continue
        nodes += [node for item in items for node in as_list(item) if isinstance(node, dict)]
    return _joined(nodes), broken


def microdata(page: Any, base: str) -> list[Node]:
    """The things at the top of a page's microdata."""
    from extruct.w3cmicrodata import MicrodataExtractor

    if page.xpath("boolean(//@itemscope)").get() != "1":
        return []
    try:
        items = MicrodataExtractor().extract_items(page.root, base)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # markup that extruct trips over
        return []
    return [node for node in (_plain(_of_microdata(item, MAX_DEPTH)) for item in items) if isinstance(node, dict)]


def rdfa(page: Any) -> list[Node]:
    """The things in a page's RDFa Lite markup: `typeof` and `property`, nested as they stand in the page."""
    found = page.root.xpath("//*[@typeof][not(ancestor::*[@typeof])]") if page.root is not None else []
    return [_plain(_of_rdfa(element, MAX_DEPTH)) for element in found]


def lenient_json(text: str) -> list[Any]:
    """The values of a script that may not quite be JSON: wrapped in comments, commas before brackets, bare quotation
    marks and line ends within strings, several values one after the other.

    Raises:
        ValueError: It is none even so.
        RecursionError: It is nested too deeply.
    """
    text = _WRAPPING.sub("", text.replace("\ufeff", "").strip()).strip()
    try:
        return _values(text)
    except ValueError as error:
        first = error
    text = _BLOCK_OR_LINE_COMMENT.sub(_string_alone, text)
    text = _BAD_ESCAPE.sub("", _TRAILING_COMMA.sub(_string_alone, text))
    if '"' not in text and "&quot;" in text:
        text = html.unescape(text)
    for _ in range(MAX_REPAIRS):
        try:
            return _values(text)
        except json.JSONDecodeError as error:
            mark = text.rfind('"', 0, error.pos)
            if not error.msg.startswith("Expecting ',' delimiter") or mark < 0 or text[mark - 1 : mark] == "\\":
                break
            text = f'{text[:mark]}\\"{text[mark + 1 :]}'  # a bare quotation mark ended the string early
    raise first


def _string_alone(match: re.Match[str]) -> str:
    return match[1] or ""


def _values(text: str) -> list[Any]:
    decoder = json.JSONDecoder(strict=False)
    values, start = [], 0
    while start < len(text):
        value, end = decoder.raw_decode(text, start)
        values.append(value)
        start = end + len(text[end:]) - len(text[end:].lstrip(" \t\r\n,;"))
    return values


def _plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A value without prefixes before its keys, and without JSON-LD's wrapping of plain values."""
    if depth == 0:
        return None
    if isinstance(value, list):
        return [_plain(one, depth - 1) for one in value]
    if not isinstance(value, dict):
        return value
    for wrapper in ("@value", "@list", "@set"):
        if wrapper in value:
            return _plain(value[wrapper], depth - 1)
    node: Node = {}
    for key, inner in value.items():
        name = _KEYWORDS.get(key, key) if "@context" in value else key
        node.setdefault(_VOCABULARY.sub("", str(name)), _plain(inner, depth - 1))
    return node


def _joined(nodes: list[Node]) -> list[Node]:
    """Nodes with what other nodes of the same `@id` say of them, `@graph`s opened."""
    flat = []
    for node in nodes:
        flat.append({key: value for key, value in node.items() if key != "@graph"})
        flat += [inner for inner in as_list(node.get("@graph")) if isinstance(inner, dict)]
    by_id: dict[str, Node] = {}
    joined = []
    for node in flat:
        own_id = node.get("@id")
        known = by_id.get(own_id) if isinstance(own_id, str) else None
        if known is not None and (not types_of(node) or types_of(node) & types_of(known) or not types_of(known)):
            known.update({key: value for key, value in node.items() if key not in known})
        else:
            joined.append(node)
            if isinstance(own_id, str):
                by_id[own_id] = node
    return joined


def _of_microdata(item: Any, depth: int) -> Any:
    if isinstance(item, list):
        return [_of_microdata(one, depth) for one in item]
    if not isinstance(item, dict) or depth == 0:
        return item
    node = {name: _of_microdata(value, depth - 1) for name, value in item.get("properties", {}).items()}
    if "value" in item:
        node["name"] = item["value"]
    return {**node, "@type": item.get("type", []), **({"@id": item["id"]} if "id" in item else {})}


def _of_rdfa(element: Any, depth: int) -> Any:
    node: Node = {"@type": element.get("typeof", "").split()}
    if element.get("resource") or element.get("about"):
        node["@id"] = element.get("resource") or element.get("about")
    for inner in element.xpath(".//*[@property]") if depth else []:
        if _holder(inner) is element:
            value = _of_rdfa(inner, depth - 1) if inner.get("typeof") is not None else _rdfa_value(inner)
            for name in inner.get("property").split():
                node.setdefault(name, []).append(value)
    return {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in node.items()}


def _holder(element: Any) -> Any:
    """The element whose thing a property belongs to."""
    return next((one for one in element.iterancestors() if one.get("typeof") is not None), None)


def _rdfa_value(element: Any) -> str:
    for name in ("content", "resource", "href", "src", "datetime"):
        if element.get(name) is not None:
            return str(element.get(name))
    return "".join(element.itertext())


def every(
    value: Any,
    skip: frozenset[str] = frozenset(),
    wanted: Callable[[Node], bool] | None = None,
    key: str = "",
    depth: int = MAX_DEPTH,
) -> Iterator[tuple[str, Node]]:
    """The nodes within a value with the key that leads to each, itself first.

    Args:
        value: A node, or a list of some.
        skip: Keys that are not followed.
        wanted: Which nodes are given; what lies within one of them is not. By default all are.
        key: The one that led here.
        depth: Of values within values that are looked at.
    """
    if depth and isinstance(value, list):
        for one in value:
            yield from every(one, skip, wanted, key, depth - 1)
    elif depth and isinstance(value, dict):
        is_wanted = wanted is None or wanted(value)
        if is_wanted:
            yield key, value
        if wanted is None or not is_wanted:
            for name, inner in value.items():
                if name not in skip and isinstance(inner, dict | list):
                    yield from every(inner, skip, wanted, name, depth - 1)
