"""Takes: a product and its partner in the same studio, and both as a workspace that the stages train in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pvtt.builtin.shop.render import Renderer
from pvtt.builtin.wan_tiny.takes import (
    Take,
    partner_of,
    read_take,
    render_take,
    rendered_takes,
    take_file,
    write_take,
)
from pvtt.builtin.wan_tiny.workspace import write_workspace
from pvtt.encoding.windows import load_window
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.params.file import load_params
from pvtt.records.dataset import read_entries


@pytest.fixture(scope="module")
def pair(renderer: Renderer) -> tuple[Take, Take]:
    first, second = (render_take(renderer, "test", index) for index in (0, 1))
    return first, second


def test_the_films_of_a_take_differ_where_its_products_are_and_in_their_shadows(pair: tuple[Take, Take]) -> None:
    take = pair[0]
    own, partner = take.films.astype(int)
    either = take.masks.max(axis=0) > 0
    difference = np.abs(own - partner).max(axis=-1)
    assert difference[either].mean() > 20
    top = np.s_[:, :24, :24]  # the wall's corner, far from any shadow
    assert not either[top].any()
    assert difference[top].max() <= 2
    assert 0.02 < (take.masks[0] > 127).mean() < 0.5
    assert partner_of(partner_of(take.index)) == take.index != take.partner


def test_photos_are_cut_out_and_are_of_the_takes_own_product(pair: tuple[Take, Take]) -> None:
    def colour(pixels: np.ndarray, cover: np.ndarray) -> np.ndarray:
        return np.asarray(pixels[cover > 200].mean(axis=0))

    first, second = pair
    assert first.photos.shape == (4, 160, 160, 4)
    assert set(np.unique(first.photos[..., 3])) >= {0, 255}
    seen = colour(first.films[0], first.masks[0])
    distances = [np.linalg.norm(seen - colour(take.photos[..., :3], take.photos[..., 3])) for take in pair]
    assert distances[0] < distances[1]
    assert np.linalg.norm(colour(second.films[0], second.masks[0]) - colour(first.films[1], first.masks[1])) < 60


def test_a_take_is_written_and_read_to_the_bit(pair: tuple[Take, Take], tmp_path: Path) -> None:
    write_take(tmp_path, pair[0])
    read = read_take(tmp_path, pair[0].index)
    for name in ("films", "masks", "photos"):
        assert np.array_equal(getattr(read, name), getattr(pair[0], name))
    assert (read.caption, read.partner) == (pair[0].caption, pair[0].partner)
    assert rendered_takes(tmp_path) == [0]
    with pytest.raises(MissingInputError, match="take 1 of"):
        read_take(tmp_path, 1)


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage"])
def test_a_damaged_take_is_named(pair: tuple[Take, Take], tmp_path: Path, damage: str) -> None:
    write_take(tmp_path, pair[0])
    path = take_file(tmp_path, 0)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "garbage": b"no archive" * 50}[damage])
    with pytest.raises(PvttError, match=r"00000\.npz is damaged") as error:
        read_take(tmp_path, 0)
    assert "wan-tiny takes" in str(error.value.hint)


def test_a_workspace_holds_each_product_twice_with_the_template_of_a_transfer(
    pair: tuple[Take, Take], tmp_path: Path, project_root: Path
) -> None:
    for take in pair:
        write_take(tmp_path / "takes_of", take)
    project, destination = Workspace(project_root), tmp_path / "procedural"
    assert write_workspace(tmp_path / "takes_of", [0, 1], project, destination) == 4

    entries = read_entries(Workspace(destination).out("validate"))
    assert [entry.key for entry in entries] == ["BASE00000_001", "BASE00000_002", "BASE00001_001", "BASE00001_002"]
    params = load_params(destination / "params.yaml").encode
    for entry in entries:
        assert entry.template is not None
        assert load_window(entry, destination, params).product.any()
    own, in_partners = entries[:2]
    assert own.template is not None
    assert own.template.clip_path == entries[3].clip_path  # in the first take the partner is the template
    assert in_partners.clip_path == entries[2].template.clip_path  # type: ignore[union-attr]
    before = {path: path.stat().st_mtime_ns for path in destination.rglob("*.mp4")}
    write_workspace(tmp_path / "takes_of", [0, 1], project, destination)
    assert {path: path.stat().st_mtime_ns for path in destination.rglob("*.mp4")} == before
