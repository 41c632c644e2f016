"""What a result's code is: everything that its work imports inside the package, and nothing else."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from pvtt.files.code import code_files, code_of, package_files, running_root

PACKAGE = {
    "pvtt/__init__.py": "from pvtt import unrelated",
    "pvtt/errors.py": "",
    "pvtt/unrelated.py": "",
    "pvtt/clips/__init__.py": '"""Clips."""',
    "pvtt/clips/work.py": """
from __future__ import annotations

from typing import TYPE_CHECKING

from pvtt.clips import helper
from pvtt.errors import PvttError
from pvtt.media.video import read

if TYPE_CHECKING:
    from pvtt.types_only import Kind

PALETTE = "palette.txt"
TEMPLATES = "templates"


def work() -> None:
    from pvtt.late import late
""",
    "pvtt/clips/helper.py": "import pvtt.deep.inner",
    "pvtt/clips/palette.txt": "red",
    "pvtt/clips/other.txt": "not named",
    "pvtt/clips/templates/page.html": "<p>",
    "pvtt/deep/__init__.py": "VALUE = 1",
    "pvtt/deep/inner.py": "",
    "pvtt/late.py": "from pvtt.clips.work import work",
    "pvtt/media/__init__.py": "",
    "pvtt/media/video.py": "",
    "pvtt/types_only.py": "",
}
CLOSURE = [
    "pvtt/clips/helper.py",
    "pvtt/clips/palette.txt",
    "pvtt/clips/templates/page.html",
    "pvtt/clips/work.py",
    "pvtt/deep/__init__.py",
    "pvtt/deep/inner.py",
    "pvtt/late.py",
    "pvtt/media/video.py",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_closure_follows_imports_wherever_they_stand_and_named_data_files(root: Path) -> None:
    assert list(code_files("pvtt.clips.work:work", root=root)) == CLOSURE


@pytest.mark.parametrize("name", PACKAGE)
def test_the_hash_changes_with_files_of_the_closure_and_with_no_other(root: Path, name: str) -> None:
    before = code_of("pvtt.clips.work:work", root=root)

    with (root / name).open("a") as file:
        file.write("\n# a comment")

    assert (code_of("pvtt.clips.work:work", root=root) != before) == (name in CLOSURE)


def test_the_hash_does_not_depend_on_where_the_package_lies(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "place"
    shutil.copytree(root / "pvtt", other / "pvtt")

    assert code_of("pvtt.clips.work:work", root=other) == code_of("pvtt.clips.work:work", root=root)


def test_a_module_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"pvtt\.gone is no module"):
        code_files("pvtt.gone:work", root=root)


def test_a_relative_import_is_refused(root: Path) -> None:
    (root / "pvtt/clips/work.py").write_text("from . import helper")

    with pytest.raises(ValueError, match=r"work\.py:1: a relative import"):
        code_files("pvtt.clips.work:work", root=root)


def test_a_function_outside_the_package_brings_its_own_file(tmp_path: Path) -> None:
    assert "test_code.py" in code_files(test_a_function_outside_the_package_brings_its_own_file)


def test_packages_only_document_themselves() -> None:
    """A stage would depend on an `__init__.py` that does more, and on all that it imports."""
    root = running_root()
    busy = {
        name
        for name, path in package_files(root).items()
        if name.endswith("/__init__.py")
        and any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(ast.parse(path.read_text())))
    }
    assert busy <= {"pvtt/__init__.py", "pvtt/crawl/__init__.py", "pvtt/dispatch/__init__.py"}  # no stage imports these
