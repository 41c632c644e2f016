"""The cards of model and data: read back by the Hub's own library, with the run's own figures."""

from __future__ import annotations

import inspect
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.records.catalog import MediaFile, Product
from pvtt.records.dataset import read_entries
from pvtt.records.evaluation import read_metrics
from pvtt.report.cards.data import data_card
from pvtt.report.cards.licence import hub_licence
from pvtt.report.cards.model import model_card
from pvtt.report.collect import collect
from pvtt.stages import report
from tests.evaluated import EvaluatedProject

CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"


def card(workspace: Workspace, kind: str) -> Path:
    return workspace.out("report") / "cards" / kind / "README.md"


def hub_faults(loaded: ModelCard | DatasetCard) -> list[str]:
    """What the Hub would refuse of a card, as far as its own library knows without asking it, a phrase each."""
    of_model = isinstance(loaded, ModelCard)
    data = loaded.data.to_dict()
    known = set(inspect.signature(ModelCardData if of_model else DatasetCardData).parameters)
    extra = {"model-index"} if of_model else {"dataset_info", "configs", "license_name", "tags"}
    faults = [f"{name} is no field" for name in data if name not in known | extra]
    if yaml.safe_load(loaded.data.to_yaml()) != yaml.safe_load(loaded.content.split("---\n")[1]):
        faults.append("it does not read as it was written")
    for name in (*data.get("datasets", ()), *([data["base_model"]] if "base_model" in data else [])):
        try:
            validate_repo_id(name)
        except HFValidationError as error:
            faults.append(str(error))
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", str(data.get("license"))):
        faults.append(f"license {data.get('license')} is no id")
    if of_model and data["license"] == "other" and not data.get("license_name"):
        faults.append("another licence has no name")
    link = str(data.get("license_link", "LICENSE"))
    if link not in ("LICENSE", "LICENSE.md") and not link.startswith("https://"):
        faults.append(f"license_link {link} is neither a file of the repository nor an address")
    numbers = [one.metric_value for one in getattr(loaded.data, "eval_results", None) or ()]
    faults += [f"{number} is no figure" for number in numbers if not math.isfinite(number)]
    sizes = data.get("size_categories", ())
    return faults + [f"{one} is no size" for one in sizes if not re.fullmatch(r"n<1K|n>1T|\d+[KMB]?<n<\d+[KMBT]", one)]


@pytest.fixture
def copy(reported: EvaluatedProject, tmp_path: Path) -> Workspace:
    shutil.copytree(reported.workspace.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def add_products(workspace: Workspace, licence: str | None, host: str = "shop.example") -> None:
    """Records of the crawled products that have a sample."""
    for product_id in {entry.product_id for entry in read_entries(workspace.out("validate"))}:
        url = f"https://{host}:8765/{product_id}.mp4"
        media = MediaFile(
            path="x.mp4", url=url, sha256="0" * 64, num_bytes=1, media_type="video/mp4", retrieved_at="2030-01-02"
        )
        product = Product(
            product_id=product_id, title="x", category="y", source="shop", page_url=url, license=licence,
            retrieved_at="2030-01-02", videos=(media,), photos=(),
        )  # fmt: skip
        folder = workspace.data / "products" / product_id
        folder.mkdir(parents=True)
        (folder / "product.json").write_text(product.to_json())


def test_the_model_card_is_read_by_the_hubs_library_and_has_the_runs_figures(reported: EvaluatedProject) -> None:
    metrics = read_metrics(reported.workspace.metrics / "evaluate.json")
    assert DatasetCard.load(card(reported.workspace, "data")).data.pretty_name.startswith("pvtt-")
    loaded = ModelCard.load(card(reported.workspace, "model"))
    data = loaded.data
    assert (data.library_name, data.pipeline_tag, data.base_model) == ("diffusers", "video-to-video", None)
    assert "the base models/base" in loaded.text  # a folder of this project is no model of the Hub
    assert data.tags
    assert len(data.datasets) == 1
    results = {(one.dataset_split, one.metric_type): one for one in data.eval_results}
    expected = {
        (part, name): value
        for part in ("test", "transfer")
        for name, value in metrics.of_part(part).items()
        if name in ("psnr", "product_psnr", "product_delta_e", "seam")
    }
    assert len(expected) == 8
    for place, value in expected.items():
        assert results[place].metric_value == value.value
        assert results[place].metric_args == {"interval_95": [value.low, value.high], "num_samples": value.n}
    assert not [name for _, name in results if "lpips" in name]  # not measured: a dash in the text, no figure
    text = loaded.text
    for heading in ("Use", "Data", "Training", "Evaluation", "Limits", "How it was made"):
        assert f"\n## {heading}\n" in text
    assert f"| 2 | {reported.params.train.stage2.steps} |" in text
    assert "beats the model" in text


def test_the_hub_would_take_both_cards(reported: EvaluatedProject) -> None:
    model, data = (card(reported.workspace, kind) for kind in ("model", "data"))
    assert hub_faults(ModelCard.load(model)) == hub_faults(DatasetCard.load(data)) == []
    broken = ModelCard(
        "---\nlicense: other\nlicense_link: ../LICENSE\nbase_model: a/b/c\ndatasets: [a--b]\nmodel: x\n---\n"
    )
    assert len(hub_faults(broken)) == 5


def test_the_data_card_counts_splits_sources_and_rejects(copy: Workspace, reported: EvaluatedProject) -> None:
    add_products(copy, CC0)
    inputs = collect(copy, reported.params)
    loaded = DatasetCard(data_card(inputs))
    data: Any = loaded.data
    assert data.license == "cc0-1.0"
    splits = {one["name"]: one["num_examples"] for one in data.dataset_info["splits"]}
    assert splits == {"train": 4, "val": 1, "test": 4}
    assert "photo_paths" in [one["name"] for one in data.dataset_info["features"]]
    assert "| clip | too\\_short | 1 |" in loaded.text
    assert f"| shop.example | {CC0} | cc0-1.0 | 9 |" in loaded.text
    assert "val has 1 product:" in loaded.text
    assert "2030" not in loaded.text  # when it was crawled is another clone's otherwise
    assert "8765" not in loaded.text
    assert ModelCard(model_card(inputs)).data.license == "apache-2.0"


@pytest.mark.parametrize(
    ("licence", "of_data", "of_model"),
    [(None, "unknown", "other"), ("All rights reserved", "other", "other"), ("", "unknown", "other")],
)
def test_a_model_is_free_only_where_its_data_is(
    copy: Workspace, reported: EvaluatedProject, licence: str | None, of_data: str, of_model: str
) -> None:
    add_products(copy, licence)
    inputs = collect(copy, reported.params)
    loaded = ModelCard(model_card(inputs))
    assert loaded.data.license == of_model
    assert loaded.data.license_name
    assert hub_licence(licence) == of_data
    assert hub_faults(loaded) == hub_faults(DatasetCard(data_card(inputs))) == []


def test_equal_runs_have_equal_files_and_a_clone_adds_its_own(copy: Workspace, reported: EvaluatedProject) -> None:
    before = {path: path.read_bytes() for path in copy.out("report").rglob("*") if path.is_file()}
    assert len(before) == 5
    report.run(copy, reported.params, InlineDispatcher())
    assert {path: path.read_bytes() for path in copy.out("report").rglob("*") if path.is_file()} == before
    here = model_card(collect(copy, reported.params), [("commit", "abc123 of <today>")])
    assert "- commit: abc123 of \\<today\\>" in here


def test_text_of_the_data_is_no_markup(copy: Workspace, reported: EvaluatedProject) -> None:
    add_products(copy, "x | <script>\n# y")
    inputs = collect(copy, reported.params)
    for text in (model_card(inputs), data_card(inputs)):
        assert "<script>" not in text
        assert "\n# y" not in text
    assert "x \\| \\<script\\> \\# y" in data_card(inputs)


@pytest.mark.parametrize(
    ("licence", "expected"),
    [(CC0, "cc0-1.0"), ("https://creativecommons.org/licenses/by-nc-sa/4.0/", "cc-by-nc-sa-4.0"), ("MIT?", "other")],
)
def test_licences_have_the_hubs_names(licence: str, expected: str) -> None:
    assert hub_licence(licence) == expected
