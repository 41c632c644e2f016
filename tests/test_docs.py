"""The pages that a reader is sent to are there, and those made from the code are up to date."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from docs.architecture import PICTURE, House, Room, arrows_of, draw, read_house
from docs.params import PAGE, comments_of, keys_of, range_of, write_page
from pvtt.params.encode import EncodeParams, MaskParams
from pvtt.params.file import load_params

LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


def anchor(heading: str) -> str:
    """As GitHub makes them."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_every_link_of_a_page_leads_somewhere(project_root: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=project_root, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    pages = [project_root / name for name in listed.splitlines()]
    assert project_root / "README.md" in pages
    broken = []
    for page in pages:
        for name, heading in LINK.findall(page.read_text()):
            target = page.parent / name if name else page
            if not target.exists():
                broken.append(f"{page.name}: {name}")
            elif heading and heading not in [
                anchor(line.lstrip("#")) for line in target.read_text().splitlines() if line.startswith("#")
            ]:
                broken.append(f"{page.name}: {name}#{heading}")
    assert broken == []


def test_the_picture_of_the_architecture_is_that_of_the_code(project_root: Path) -> None:
    assert PICTURE.read_text() == draw(read_house(project_root)), "run `make docs`"


def test_an_import_that_a_chain_implies_is_not_drawn_and_one_that_goes_up_always_is() -> None:
    floors = tuple((Room(name, "", (), 1),) for name in ("cli", "media", "errors"))
    down = {("cli", "media"), ("media", "errors"), ("cli", "errors")}
    assert arrows_of(House(floors, frozenset(down))) == [("cli", "media"), ("media", "errors")]
    assert ("errors", "media") in arrows_of(House(floors, frozenset({*down, ("errors", "media")})))


def test_the_page_of_params_is_that_of_the_schema(project_root: Path) -> None:
    assert PAGE.read_text() == write_page(load_params(project_root / "params.yaml")), "run `make docs`"


def test_every_key_of_the_params_says_what_it_is(project_root: Path) -> None:
    keys = list(keys_of(load_params(project_root / "params.yaml")))
    assert [key.name for key in keys if not comments_of(key.owner).get(key.field_name)] == []


def test_a_key_is_described_by_its_comment_and_its_range_by_its_type() -> None:
    keys = {key.name: key for key in keys_of(EncodeParams())}
    assert comments_of(MaskParams)["fill"] == "the hole's value; pixels are in [-1, 1]"
    assert range_of(keys["mask.fill"].schema) == "number, -1 to 1"
    assert range_of(keys["width"].schema) == "integer ≥ 16, a multiple of 16"
    assert range_of(keys["image_encoder"].schema) == "string or null"
    assert range_of(keys["image_features"].schema) == "`vae`, `clip`, `clip_dino`"
