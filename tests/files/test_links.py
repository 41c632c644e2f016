"""Whether a file is one of a folder's, where DVC leaves links."""

from __future__ import annotations

from pathlib import Path

from pvtt.files.links import lies_within
from tests.run_dvc import run_dvc


def test_files_and_links_within_a_folder_are_its_own_and_links_out_of_it_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "media").mkdir(parents=True)
    for file in (folder / "photo.jpg", tmp_path / "secret"):
        file.write_text("content")
    (folder / "media" / "inner").symlink_to(folder / "photo.jpg")
    (folder / "media" / "outer").symlink_to(tmp_path / "secret")
    assert lies_within(folder / "photo.jpg", folder)
    assert lies_within(folder / "media" / "inner", folder)
    assert not lies_within(folder / "media" / "outer", folder)
    assert not lies_within(folder / ".." / "secret", folder)


def test_links_of_dvc_into_its_cache_are_a_folders_own_wherever_the_cache_is(tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "cache of all projects"
    photo = project / "data" / "RING1" / "photo.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_text("a ring")
    run_dvc(project, "init", "-q", "--no-scm")
    run_dvc(project, "config", "cache.type", "symlink")
    run_dvc(project, "cache", "dir", "-q", "--local", str(elsewhere))
    run_dvc(project, "add", "-q", "data")
    assert photo.is_symlink()
    assert photo.resolve().is_relative_to(elsewhere)
    assert lies_within(photo, photo.parent)

    (tmp_path / "secret").write_text("a secret")
    photo.unlink()
    photo.symlink_to(tmp_path / "secret")
    assert not lies_within(photo, photo.parent)
