"""Promotions as tags of Git in GTO's format, so that DVC's model registry finds a promoted model by its version.

    product-video@v3.0.0          promotion 3: the commit of its line
    product-video#champion#4      it is in force; the highest of these numbers counts
    product-video#champion!#5     it no longer is

`dvc artifacts get . product-video --rev v3.0.0` brings the model, with `--stage champion` the one in force. The tags
follow from `promotions.jsonl`, which is what counts; they are made anew where they are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pvtt.files.git import commits_of_lines, make_tag, tagged_commits
from pvtt.promotion.ledger import PROMOTIONS, in_force, read_promotions
from pvtt.records.promotion import Promotion, Rollback

ARTIFACT = "product-video"  # below `artifacts` in dvc.yaml
STAGE = "champion"


def version_of(promotion: Promotion) -> str:
    """The version of a promoted model."""
    return f"v{promotion.number}.0.0"


def tag_promotions(root: Path) -> list[str]:
    """Make the tags that the committed record asks for and that are not there; returns their names.

    Raises:
        PvttError: As `read_promotions`, or Git refuses.
    """
    entries = read_promotions(root)
    commits = commits_of_lines(root, PROMOTIONS.as_posix())
    made = []
    there = tagged_commits(root, f"{ARTIFACT}@*")
    for entry, commit in zip(entries, commits, strict=False):
        if isinstance(entry, Rollback) or entry.sign_off.outcome != "approved":
            continue
        name = f"{ARTIFACT}@{version_of(entry)}"
        if name not in there:
            make_tag(root, name, commit, f"Run {entry.run.run_id}, approved by {entry.sign_off.person}")
            made.append(name)
    return made + _tag_champion(root, entries, commits)


def _tag_champion(root: Path, entries: Sequence[Promotion | Rollback], commits: Sequence[str]) -> list[str]:
    """Say which version is in force, where the last tag of the stage says otherwise; no two hold it at a time."""
    champion = in_force(entries)
    wanted = None if champion is None else commits[champion.number - 1]
    number, held = 0, None  # of the last tag: its number, and the commit that it gives the stage to
    for name, commit in tagged_commits(root, f"{ARTIFACT}#{STAGE}*").items():
        _, stage, counter = name.split("#")
        if int(counter) > number:
            number, held = int(counter), commit if stage == STAGE else None
    made = []
    if held not in (None, wanted):
        made.append(f"{ARTIFACT}#{STAGE}!#{number + 1}")
        make_tag(root, made[-1], str(held), "No longer in force")
    if champion is not None and wanted is not None and held != wanted:
        made.append(f"{ARTIFACT}#{STAGE}#{number + 1 + len(made)}")
        make_tag(root, made[-1], wanted, f"In force is {version_of(champion)}")
    return made
