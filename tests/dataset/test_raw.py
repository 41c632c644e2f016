"""Raw data against its own records."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pvtt.dataset.raw import check_raw_data
from pvtt.errors import MissingInputError, ValidationFailedError
from pvtt.files.workspace import Workspace
from pvtt.records.catalog import MediaFile, Product
from tests.run_dvc import run_dvc


def add_product(workspace: Workspace, product_id: str) -> Path:
    """A product of one photo; returns the photo."""
    content = f"photo of {product_id}".encode()
    digest = hashlib.sha256(content).hexdigest()
    photo = workspace.data / "products" / product_id / "media" / f"{digest[:16]}.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(content)
    media = MediaFile(
        path=photo.relative_to(workspace.data).as_posix(),
        url="https://shop.example.com/photo.jpg",
        sha256=digest,
        num_bytes=len(content),
        media_type="image/jpeg",
        retrieved_at="2026-02-01T00:00:00+00:00",
    )
    product = Product(
        product_id=product_id,
        title="Ring",
        category="rings",
        source="shop",
        page_url="https://shop.example.com/",
        retrieved_at="2026-02-01T00:00:00+00:00",
        videos=(),
        photos=(media,),
    )
    (photo.parents[1] / "product.json").write_text(product.to_json())
    return photo


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    for product_id in ("RING1", "RING2"):
        add_product(workspace, product_id)
    return workspace


def test_good_data_is_counted(workspace: Workspace) -> None:
    assert check_raw_data(workspace) == 2


def test_files_are_read_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    check_raw_data(workspace)
    add_product(workspace, "RING3")
    read: list[Path] = []

    def sha256(path: Path) -> str:
        read.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr("pvtt.dataset.raw.sha256_file", sha256)

    assert check_raw_data(workspace) == 3
    assert [path.parents[1].name for path in read] == ["RING3"]


@pytest.mark.parametrize("fault", ["changed", "missing", "unreadable record", "missing record", "other id", "outside"])
def test_a_fault_names_its_product(workspace: Workspace, fault: str) -> None:
    folder = workspace.data / "products" / "RING2"
    (photo,) = (folder / "media").iterdir()
    record = folder / "product.json"
    if fault == "changed":
        photo.write_bytes(b"another photo")
    elif fault == "missing":
        photo.unlink()
    elif fault == "unreadable record":
        record.write_text(record.read_text()[:40])
    elif fault == "missing record":
        record.unlink()
    elif fault == "other id":
        record.write_text(record.read_text().replace('"product_id":"RING2"', '"product_id":"RING9"'))
    else:
        record.write_text(record.read_text().replace("products/RING2/media/", "products/RING2/../RING1/media/"))

    with pytest.raises(ValidationFailedError, match=r"1 faults in 2 products: RING2: ") as caught:
        check_raw_data(workspace)

    assert caught.value.hint is not None
    assert "pvtt crawl" in caught.value.hint


def test_a_change_after_a_good_check_is_seen(workspace: Workspace) -> None:
    check_raw_data(workspace)
    (photo,) = (workspace.data / "products" / "RING1" / "media").iterdir()
    photo.write_bytes(b"another photo of RING1")

    with pytest.raises(ValidationFailedError, match="RING1"):
        check_raw_data(workspace)


def test_data_that_dvc_keeps_in_its_cache_behind_links_is_sound(workspace: Workspace) -> None:
    for arguments in (["init", "-q", "--no-scm"], ["config", "cache.type", "symlink"], ["add", "-q", "data"]):
        run_dvc(workspace.root, *arguments)
    photos = list(workspace.data.glob("products/*/media/*"))
    assert len(photos) == 2
    assert all(photo.is_symlink() for photo in photos)
    assert check_raw_data(workspace) == 2


def test_no_data_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        check_raw_data(Workspace(tmp_path))

    assert caught.value.hint is not None
    assert "dvc pull" in caught.value.hint
