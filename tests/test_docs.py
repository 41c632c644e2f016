"""The pages that a reader is sent to are there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

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
