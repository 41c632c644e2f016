"""What ran is what was hashed: a stage's code in DVC and in the item cache, both ways.

Editing a file that a stage's results depend on makes the stage stale, in DVC and, where it works on items, in the item
cache. Editing any other makes neither stale.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pvtt.files.code import code_files, code_of, package_files
from pvtt.stages.all import STAGES
from pvtt.stages.dvc_yaml import describe, with_stages
from pvtt.stages.stage import Stage
from tests.run_dvc import run_dvc

ITEM_STAGES = [stage for stage in STAGES if stage.name in ("clip", "segment", "photos", "encode")]


def name_of(stage: Stage) -> str:
    return stage.name


@pytest.fixture(scope="module")
def copy(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's source in another place, to be edited."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(
        project_root / "pvtt", root / "pvtt", ignore=shutil.ignore_patterns("site", "__pycache__"), symlinks=True
    )
    return root


@contextmanager
def edited(*paths: Path) -> Iterator[None]:
    """With a comment more in each file."""
    texts = {path: path.read_text() for path in paths}
    for path, text in texts.items():
        path.write_text(text + "\n# a comment\n")
    yield
    for path, text in texts.items():
        path.write_text(text)


def test_dvc_yaml_is_what_the_stages_say(project_root: Path) -> None:
    text = (project_root / "dvc.yaml").read_text()
    assert with_stages(text, project_root) == text, "run `make dvc-deps`"


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage.work], ids=name_of)
def test_editing_a_file_changes_the_code_of_exactly_the_works_that_import_it(stage: Stage, copy: Path) -> None:
    assert stage.work is not None
    closure = code_files(stage.work, root=copy)
    outside = {name: path for name, path in package_files(copy).items() if name not in closure}
    before = code_of(stage.work, root=copy)

    for name, path in closure.items():
        with edited(path):
            assert code_of(stage.work, root=copy) != before, name
    with edited(*outside.values()):
        assert code_of(stage.work, root=copy) == before
    assert closure.keys() <= stage.code_files(copy).keys(), "what makes items stale makes the stage stale"


@pytest.mark.parametrize("stage", STAGES, ids=name_of)
def test_a_stage_depends_on_all_that_a_run_of_it_imports(stage: Stage, project_root: Path) -> None:
    """Against another reader of imports: grimp's graph of the modules that `run` and `work` reach."""
    import grimp

    graph = grimp.build_graph("pvtt", cache_dir=None, exclude_type_checking_imports=True)
    starts = {f"pvtt.stages.{stage.name}", *([stage.work.partition(":")[0]] if stage.work else []), *stage.sections}
    shared = ("pvtt.dispatch", "pvtt.errors", "pvtt.files", "pvtt.items", "pvtt.params.file", "pvtt.stages.stage")

    def is_shared(module: str) -> bool:
        return any(module == name or module.startswith(f"{name}.") for name in shared)

    reached, waiting = set(), list(starts)
    while waiting:
        module = waiting.pop()
        if module in reached or is_shared(module):
            continue
        reached.add(module)
        waiting += graph.find_modules_directly_imported_by(module)
    files = {name for name in stage.code_files(project_root) if name.endswith(".py")}
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files}
    packages = {module for module in reached if any(other.startswith(f"{module}.") for other in graph.modules)}

    assert reached - packages == modules - packages


@pytest.fixture(scope="module")
def checkout(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real DVC project in which every stage is up to date, with a small file in place of each output."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".dvc/config", ".dvc/plots/metric_bars.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project_root / name, root / name)
    shutil.copytree(project_root / "pvtt", root / "pvtt", ignore=shutil.ignore_patterns("site", "__pycache__"))
    (root / "data").mkdir()
    (root / "data" / "file.txt").write_text("data")
    (root / "ratings").mkdir()
    (root / "ratings" / "README.md").write_text("ratings")
    model = YAML(typ="safe", pure=True).load((root / "params.yaml").read_text())["model"]
    for stage in STAGES:
        for name in (*stage.reads, *stage.writes, *stage.metrics):
            path = root / name.replace("${model.base}", model["base"]).replace("${model.champion}", model["champion"])
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("{}" if path.suffix == ".json" else name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    run_dvc(root, "commit", "--force", "--quiet")
    return root


def dvc(root: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout


def stale(root: Path) -> set[str]:
    """The stages that DVC calls changed in their dependencies."""
    status: dict[str, Any] = json.loads(dvc(root, "status", "--json"))
    return {name for name, changes in status.items() if any("changed deps" in change for change in changes)}


NAMED_CASES = {
    "pvtt/records/clips.py": {"clip", "segment", "photos", "validate"},  # the record classes
    "pvtt/encoding/encode.py": {"encode"},  # `encode_item`
    "pvtt/models/sampling.py": {"train_stage1", "train_stage2", "evaluate"},  # guidance
    "pvtt/params/segment.py": {"segment", "validate"},  # a default in the schema
    "pvtt/foreground/holes.py": {"segment", "photos"},  # a comment in the hole filler re-decodes no video
}


@pytest.mark.parametrize("name", NAMED_CASES)
def test_an_edited_file_makes_stale_in_dvc_what_depends_on_it(name: str, checkout: Path) -> None:
    with edited(checkout / name):
        found = stale(checkout)
    assert found == {stage.name for stage in STAGES if name in describe(stage)["deps"]}
    assert found >= NAMED_CASES[name]


def test_a_further_file_in_a_room_makes_nothing_stale(checkout: Path) -> None:
    for folder in ("generation", "training", "evaluation", "media"):
        (checkout / "pvtt" / folder / "further.py").write_text("VALUE = 1\n")

    assert stale(checkout) == set()


def test_the_record_and_the_params_are_part_of_an_items_key() -> None:
    from pvtt.items.runner import Item, item_key
    from pvtt.records.base import Record

    class Payload(Record):
        number: int

    class Settings(Record):
        factor: int = 2

    item = Item("a", Payload(number=1), ("hash",))
    keys = {
        item_key("clip", item, Settings(), "code", "schema"),
        item_key("clip", item, Settings(factor=3), "code", "schema"),
        item_key("clip", item, Settings(), "other code", "schema"),
        item_key("clip", item, Settings(), "code", "other schema"),
        item_key("segment", item, Settings(), "code", "schema"),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("stage", ITEM_STAGES, ids=name_of)
def test_work_on_items_says_what_record_it_returns(stage: Stage) -> None:
    from pvtt.items.runner import result_type
    from pvtt.records.base import Record

    assert issubclass(result_type(stage.load_work()), Record)
