"""Products as they lie in `data/`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.errors import MissingInputError, PvttError
from pvtt.records.catalog import PRODUCT_FILE, Product, read_catalog, read_products

RING = Product(
    product_id="JEWE002",
    title="Gold ring",
    category="ring",
    source="folder",
    page_url="folder:rings/JEWE002",
    retrieved_at="2025-01-01T00:00:00Z",
    videos=(),
    photos=(),
)


def add(data: Path, product: Product) -> Path:
    path = data / "products" / product.product_id / PRODUCT_FILE
    path.parent.mkdir(parents=True)
    path.write_text(product.to_json())
    return path


def test_products_come_by_id_in_the_order_of_their_ids(tmp_path: Path) -> None:
    other = RING.model_copy(update={"product_id": "JEWE001"})
    add(tmp_path, RING)
    add(tmp_path, other)
    assert list(read_catalog(tmp_path).items()) == [("JEWE001", other), ("JEWE002", RING)]
    assert read_products(tmp_path) == [other, RING]


def test_an_empty_data_folder_is_an_empty_catalog_and_no_input_of_a_stage(tmp_path: Path) -> None:
    assert read_catalog(tmp_path) == {}
    with pytest.raises(MissingInputError, match="holds no products"):
        read_products(tmp_path)


def test_a_damaged_product_is_named_with_its_field(tmp_path: Path) -> None:
    path = add(tmp_path, RING)
    path.write_text(RING.to_json().replace('"folder"', '"market"'))
    with pytest.raises(PvttError, match=rf"{PRODUCT_FILE}: not a Product: source: "):
        read_catalog(tmp_path)
