"""Draws the floors and rooms of the code: `make docs` writes docs/architecture.svg.

    the import contract in pyproject.toml ──► floors ─┐
    the packages and their docstrings ──────► rooms ──┼──► rows of boxes ──► SVG
    what modules import (grimp) ────────────► arrows ─┘

The same code always gives the same bytes, so a test can hold the picture to it.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"

# Lengths in pixels.
MIN_WIDTH = 1120
MARGIN = 20
BOX_WIDTH = 148
LONE_BOX_WIDTH = 340  # of a room that has its floor for itself
PADDING = 9
LINE_HEIGHT = 14
CHARACTER_WIDTH = 6.1  # of the purpose's type, on average
SPACE = 12  # between neighbours in a row
FLOOR_SPACE = 44  # between two rows: where arrows bend

STYLE = """
  .ground { fill: #ffffff } .floor { fill: #f3f5f8 } .box { fill: #ffffff; stroke: #8a97a8 }
  .name { font: 600 13px ui-monospace, Menlo, Consolas, monospace; fill: #14202e }
  .text { font: 11px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #35424f }
  .small { font: 10px ui-monospace, Menlo, Consolas, monospace; fill: #64717f }
  .arrow { fill: none; stroke: #7d8fa5; stroke-width: 1 } .head { fill: #7d8fa5 }
  .against { stroke: #d1242f; stroke-width: 1.6 } .against-head { fill: #d1242f }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } .floor { fill: #151b23 } .box { fill: #1c2430; stroke: #56657a }
    .name { fill: #f0f3f6 } .text { fill: #c3ccd6 } .small { fill: #93a0ae }
    .arrow { stroke: #66788f } .head { fill: #66788f }
    .against { stroke: #ff7b72 } .against-head { fill: #ff7b72 }
  }
"""


@dataclass(frozen=True)
class Room:
    """A package: its name below `pvtt`, the first sentence of its docstring, its parts, how many modules it has."""

    name: str
    purpose: str
    parts: tuple[str, ...]
    num_modules: int


@dataclass(frozen=True)
class House:
    """What is drawn: floors from the top down, and arrows (from, to) between rooms."""

    floors: tuple[tuple[Room, ...], ...]
    imports: frozenset[tuple[str, str]]


def read_house(root: Path) -> House:
    """The house of a checkout.

    Args:
        root: The folder with pyproject.toml, `pvtt` and `flows`.
    """
    import grimp

    sys.path.insert(0, str(root))  # grimp looks packages up as Python does
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers")
    floors = [[_room_of(name) for name in re.split(r" *[|:] *", layer)] for layer in layers]
    graph = grimp.build_graph("pvtt", "flows", cache_dir=None)
    modules: dict[str, list[str]] = defaultdict(list)
    for module in sorted(graph.modules):
        modules[_room_of(module)].append(module)
    imports = {
        (_room_of(importer), _room_of(imported))
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    }
    names = {name for floor in floors for name in floor}
    return House(
        tuple(tuple(_read_room(root, name, modules[name]) for name in floor) for floor in floors),
        frozenset((a, b) for a, b in imports if a != b and {a, b} <= names),
    )


def _room_of(module: str) -> str:
    package, *inner = module.split(".")
    return inner[0] if package == "pvtt" and inner else package


def _read_room(root: Path, name: str, modules: Sequence[str]) -> Room:
    place = root / name if name == "flows" else root / "pvtt" / name
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    sentence = " ".join(docstring.partition("\n\n")[0].split()).partition(". ")[0].replace("`", "")
    purpose = sentence.removeprefix(f"{name.capitalize()}: ").rstrip(".:")
    parts = tuple(sorted(part.parent.name for part in place.glob("*/__init__.py")))
    return Room(
        name, purpose[:1].upper() + purpose[1:], parts, sum(not _is_package(root, module) for module in modules)
    )


def _is_package(root: Path, module: str) -> bool:
    return root.joinpath(*module.split(".")).is_dir()


def arrows_of(house: House) -> list[tuple[str, str]]:
    """The imports that no chain of other imports implies, and all that do not lead down."""
    floor_of = {room.name: number for number, floor in enumerate(house.floors) for room in floor}
    down = {(a, b) for a, b in house.imports if floor_of[a] < floor_of[b]}
    below: dict[str, set[str]] = {}
    for floor in reversed(house.floors):
        for room in floor:
            targets = {b for a, b in down if a == room.name}
            below[room.name] = targets.union(*(below[target] for target in targets))
    return sorted(
        (a, b)
        for a, b in house.imports
        if (a, b) not in down or not any(b in below[c] for x, c in down if x == a and c != b)
    )


@dataclass
class Node:
    """A box, or the place where arrows to one room cross a floor (`room` is None)."""

    target: str
    floor: int
    room: Room | None
    width: float
    x: float = 0.0  # of the centre
    above: list[Node] = field(default_factory=list)
    under: list[Node] = field(default_factory=list)


def lay_out(house: House, arrows: Iterable[tuple[str, str]]) -> list[list[Node]]:
    """Rows of nodes with their places: neighbours of a node stand near above and below it.

    Arrows to the same room run together as soon as they meet on a floor.
    """
    rows: list[list[Node]] = []
    for number, floor in enumerate(house.floors):
        box_width = LONE_BOX_WIDTH if len(floor) == 1 else BOX_WIDTH
        rows.append([Node(room.name, number, room, box_width) for room in floor])
    boxes = {node.target: node for row in rows for node in row}
    for importer, imported in arrows:
        node, target = boxes[importer], boxes[imported]
        while node.floor < target.floor:
            following = target
            if node.floor + 1 < target.floor:
                row = rows[node.floor + 1]
                crossing = [other for other in row if other.target == imported and other.room is None]
                following = crossing[0] if crossing else Node(imported, node.floor + 1, None, 4)
                if not crossing:
                    row.append(following)
            if following not in node.under:
                node.under.append(following)
                following.above.append(node)
            node = following
    width = _width(rows)
    for row in rows:
        _place(row, [width / 2] * len(row), width)
    for sweep in range(60):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            near = [(node.above if sweep % 2 == 0 else node.under) or [node] for node in row]
            if sweep >= 40:
                near = [[*node.above, *node.under] or [node] for node in row]
            wanted = [sum(other.x for other in others) / len(others) for others in near]
            if sweep < 40:
                order = sorted(range(len(row)), key=lambda i: wanted[i])
                row[:] = [row[i] for i in order]
                wanted = [wanted[i] for i in order]
            _place(row, wanted, width)
    return rows


def _width(rows: Iterable[Sequence[Node]]) -> int:
    """Of the picture: as the fullest row needs."""
    fullest = max(sum(node.width + SPACE for node in row) + SPACE + 2 * MARGIN for row in rows)
    return max(MIN_WIDTH, round(fullest))


def _place(row: Sequence[Node], wanted: Sequence[float], width: int) -> None:
    """Put the nodes of a row as near as possible to where they should be, in order and apart (isotonic regression)."""
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + SPACE)
    blocks: list[tuple[float, int]] = []  # (mean, number of nodes)
    for place, offset in zip(wanted, offsets, strict=True):
        mean, count = place - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, others = blocks.pop()
            mean, count = (mean * count + before * others) / (count + others), count + others
        blocks.append((mean, count))
    first = MARGIN + SPACE + row[0].width / 2
    last = width - MARGIN - SPACE - row[-1].width / 2 - offsets[-1]
    starts = [min(max(mean, first), last) for mean, count in blocks for _ in range(count)]
    for node, start, offset in zip(row, starts, offsets, strict=True):
        node.x = start + offset


def draw(house: House) -> str:
    """The picture as SVG."""
    arrows = arrows_of(house)
    rows = lay_out(house, arrows)
    width = _width(rows)
    heights = [max(_height(node) for node in row if node.room) for row in rows]
    tops = [MARGIN + PADDING]
    for height in heights[:-1]:
        tops.append(tops[-1] + height + FLOOR_SPACE)
    boxes = {node.target: node for row in rows for node in row if node.room}
    floors, lines, shapes = [], [], []
    for row, top, height in zip(rows, tops, heights, strict=True):
        floors.append(
            f'<rect class="floor" x="{MARGIN}" y="{top - PADDING}" width="{width - 2 * MARGIN}" '
            f'height="{height + 2 * PADDING}" rx="6"/>'
        )
        for node in row:
            if node.room is None:
                lines.append(f'<path class="arrow" d="M{node.x:.0f} {top}V{top + height}"/>')
            else:
                imports = ", ".join(sorted(b for a, b in house.imports if a == node.target)) or "nothing"
                shapes.append(_draw_box(node, node.room, top, height, f"{node.target} imports {imports}"))
            for other in node.under:
                start = _port(node, node.under, other)
                end = _port(other, other.above, node)
                lines.append(_draw_arrow(start, top + height, end, tops[node.floor + 1], is_end=other.room is not None))
    for importer, imported in arrows:
        a, b = boxes[importer], boxes[imported]
        if a.floor >= b.floor:
            lines.append(_draw_against(a, b, tops, heights))
    size = f"0 0 {width} {tops[-1] + heights[-1] + PADDING + MARGIN}"
    body = "\n".join([*floors, *lines, *shapes])
    title = "The floors and rooms of the code"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" role="img">\n<title>{title}</title>\n'
        f'<style>{STYLE}</style>\n<rect class="ground" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )


def _wrap(room: Room, width: float) -> list[str]:
    return textwrap.wrap(room.purpose, int((width - 2 * PADDING) / CHARACTER_WIDTH))


def _height(node: Node) -> int:
    assert node.room is not None
    return 2 * PADDING + (1 + len(_wrap(node.room, node.width)) + len(_facts(node.room))) * LINE_HEIGHT


def _facts(room: Room) -> list[str]:
    """The last lines of a box."""
    size = "1 module" if room.num_modules == 1 else f"{room.num_modules} modules"
    return [" ".join(f"{part}/" for part in room.parts), size] if room.parts else [size]


def _port(node: Node, neighbours: Sequence[Node], other: Node) -> float:
    """Where on a node's edge the arrow from or to a neighbour ends: side by side, in the neighbours' order."""
    order = sorted(neighbours, key=lambda neighbour: neighbour.x)
    spread = 0.0 if node.room is None else min(24.0, (node.width - 4 * PADDING) / max(1, len(order) - 1))
    return node.x + (order.index(other) - (len(order) - 1) / 2) * spread


def _draw_box(node: Node, room: Room, top: int, height: int, imports: str) -> str:
    left = node.x - node.width / 2
    x, y = f"{left + PADDING:.0f}", top + PADDING + 11
    texts = [f'<text class="name" x="{x}" y="{y}">{escape(room.name)}</text>']
    for line in _wrap(room, node.width):
        y += LINE_HEIGHT
        texts.append(f'<text class="text" x="{x}" y="{y}">{escape(line)}</text>')
    for number, fact in enumerate(reversed(_facts(room))):
        y = top + height - PADDING - number * LINE_HEIGHT
        texts.append(f'<text class="small" x="{x}" y="{y}">{escape(fact)}</text>')
    return (
        f'<g><title>{escape(imports)}</title><rect class="box" x="{left:.0f}" y="{top}" width="{node.width:.0f}" '
        f'height="{height}" rx="5"/>{"".join(texts)}</g>'
    )


def _draw_arrow(start: float, top: int, end: float, bottom: int, is_end: bool) -> str:
    tip = bottom - 7 if is_end else bottom
    middle = (top + tip) / 2
    path = f"M{start:.0f} {top}C{start:.0f} {middle:.0f} {end:.0f} {middle:.0f} {end:.0f} {tip}"
    arrow = f'<path class="arrow" d="{path}"/>'
    if is_end:
        arrow += f'<path class="head" d="M{end - 3:.0f} {bottom - 8}h6l-3 8z"/>'
    return arrow


def _draw_against(a: Node, b: Node, tops: Sequence[int], heights: Sequence[int]) -> str:
    """An import that goes up, or stays on its floor."""
    if a.floor == b.floor:
        y = tops[a.floor] + heights[a.floor]
        start, end = (a.x, b.x)
        path = f"M{start:.0f} {y}C{start:.0f} {y + 30} {end:.0f} {y + 30} {end:.0f} {y + 6}"
        head = f"M{end - 3:.0f} {y + 7}h6l-3 -7z"
    else:
        y, bottom = tops[a.floor], tops[b.floor] + heights[b.floor]
        path = f"M{a.x:.0f} {y}C{a.x:.0f} {y - 40} {b.x:.0f} {bottom + 40} {b.x:.0f} {bottom + 6}"
        head = f"M{b.x - 3:.0f} {bottom + 7}h6l-3 -7z"
    return f'<path class="arrow against" d="{path}"/><path class="against-head" d="{head}"/>'


def main() -> None:
    """Draw a checkout's house."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to draw")
    parser.add_argument("-o", "--output", type=Path, default=PICTURE, help="the SVG file")
    arguments = parser.parse_args()
    arguments.output.write_text(draw(read_house(arguments.root)), encoding="utf-8")
    print(arguments.output)


if __name__ == "__main__":
    main()
