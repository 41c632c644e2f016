"""The record of promotions: a chain that only grows, signed where there is a key, and what is in force by it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pvtt.errors import GateShutError
from pvtt.files.git import signs_commits
from pvtt.files.hashing import sha256_bytes
from pvtt.files.workspace import Workspace
from pvtt.promotion.ledger import (
    PROMOTIONS,
    add,
    commit_entry,
    in_force,
    read_promotions,
    read_samples,
    write_samples,
)
from pvtt.records.promotion import PromotedSample, Promotion, PromotionLine
from tests.promotion.records import promotion, rollback

Git = Callable[..., str]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "project").mkdir()
    return Workspace(tmp_path / "project")


@pytest.fixture
def git(workspace: Workspace) -> Git:
    """Git in the workspace, which is a repository of Ada's."""

    def run(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=workspace.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init", "-q")
    run("config", "user.name", "Ada")
    run("config", "user.email", "ada@example.org")
    return run


def record(workspace: Workspace, *people: str) -> None:
    for person in people:
        add(workspace, promotion(person))


@pytest.mark.parametrize("fault", ["last line edited", "last line cut", "emptied", "deleted"])
def test_committed_records_stay(workspace: Workspace, git: Git, fault: str) -> None:
    path = workspace.root / PROMOTIONS
    record(workspace, "Ada", "Grace")
    git("add", PROMOTIONS.as_posix())
    git("commit", "-q", "-m", "Promotions")
    record(workspace, "Edith")  # lines may be added
    first, second, _ = path.read_text().splitlines(keepends=True)
    if fault == "deleted":
        path.unlink()
    else:
        texts = {"last line edited": first + second.replace("Grace", "Grac3"), "last line cut": first, "emptied": ""}
        path.write_text(texts[fault])

    with pytest.raises(GateShutError, match="is not what was committed"):
        read_promotions(workspace.root)
    with pytest.raises(GateShutError, match="is not what was committed"):
        record(workspace, "Eve")


def test_records_are_a_chain(workspace: Workspace) -> None:
    record(workspace, "Ada", "Grace", "Edith")

    promotions = read_promotions(workspace.root)

    assert [promotion.sign_off.person for promotion in promotions] == ["Ada", "Grace", "Edith"]
    assert [promotion.number for promotion in promotions] == [1, 2, 3]
    assert len({promotion.previous for promotion in promotions}) == 3


@pytest.mark.parametrize("fault", ["changed", "removed", "swapped"])
def test_a_tampered_record_is_found(workspace: Workspace, fault: str) -> None:
    record(workspace, "Ada", "Grace", "Edith")
    path = workspace.root / PROMOTIONS
    first, second, third = path.read_text().splitlines()
    lines = {
        "changed": [first.replace('"person":"Ada"', '"person":"Eve"'), second, third],
        "removed": [first, third],
        "swapped": [second, first, third],
    }[fault]
    path.write_text("\n".join(lines) + "\n")

    with pytest.raises(GateShutError, match="the chain of promotions is broken"):
        read_promotions(workspace.root)
    with pytest.raises(GateShutError, match="the chain of promotions is broken"):
        record(workspace, "Eve")


def test_a_change_is_found_though_its_hash_begins_as_that_of_before(workspace: Workspace) -> None:
    record(workspace, "Ada", "Grace")
    path = workspace.root / PROMOTIONS
    first, second = path.read_text().splitlines()
    others = (first.replace('"person":"Ada"', f'"person":"Eve {number}"') for number in range(100_000))
    begins = sha256_bytes(first.encode())[:2]
    changed = next(other for other in others if sha256_bytes(other.encode()).startswith(begins))
    path.write_text(f"{changed}\n{second}\n")

    with pytest.raises(GateShutError, match="the chain of promotions is broken"):
        read_promotions(workspace.root)


@pytest.mark.parametrize("end", [b"", b"\n", b'\n{"number": 3, "prev'])
def test_the_chain_goes_on_after_a_line_that_was_cut_off_or_lost_its_newline(workspace: Workspace, end: bytes) -> None:
    record(workspace, "Ada", "Grace")
    path = workspace.root / PROMOTIONS
    path.write_bytes(path.read_bytes().rstrip(b"\n") + end)

    assert len(read_promotions(workspace.root)) == 2
    record(workspace, "Edith")
    assert [entry.sign_off.person for entry in read_promotions(workspace.root)] == ["Ada", "Grace", "Edith"]


def test_a_record_reads_as_it_was_written(workspace: Workspace) -> None:
    written = add(workspace, promotion())

    assert PromotionLine.model_validate_json((workspace.root / PROMOTIONS).read_text()).root == written
    assert written.plan.memory_gib == 62.0
    assert written.plan.gpu_hours == 1400.0


def test_a_rollback_puts_the_promotion_before_in_force_and_deletes_nothing(workspace: Workspace) -> None:
    assert in_force(read_promotions(workspace.root)) is None
    record(workspace, "Ada", "Grace")
    add(workspace, promotion("Edith", outcome="refused"))

    def number() -> int | None:
        champion = in_force(read_promotions(workspace.root))
        return None if champion is None else champion.number

    assert number() == 2
    add(workspace, rollback(2))
    assert number() == 1
    add(workspace, rollback(1))
    assert number() is None
    assert [entry.kind for entry in read_promotions(workspace.root)] == [*["promotion"] * 3, *["rollback"] * 2]


def test_what_a_promoted_model_reached_is_kept_as_recorded(workspace: Workspace) -> None:
    samples = [
        PromotedSample(
            product_id="RING001",
            clip_id="001",
            part="test",
            category="ring",
            inputs_sha256="d" * 64,
            metrics={"psnr": 1},
        )
    ]
    sha256 = write_samples(workspace.root, "0123456789ab", samples)
    kept = promotion().model_copy(update={"samples_sha256": sha256})

    assert read_samples(workspace.root, kept) == samples
    (workspace.root / "promotions" / "samples" / "0123456789ab.jsonl").write_text("")
    with pytest.raises(GateShutError, match="is not what promotion 1 recorded"):
        read_samples(workspace.root, kept)


class TestSigned:
    """Where Git has a signing key, here an SSH key of the test's own."""

    @pytest.fixture
    def git(self, git: Git, tmp_path: Path) -> Git:
        key = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(key)], check=True)
        signers = tmp_path / "signers"
        signers.write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
        git("config", "gpg.format", "ssh")
        git("config", "user.signingKey", str(key))
        git("config", "gpg.ssh.allowedSignersFile", str(signers))
        return git

    @staticmethod
    def promote(workspace: Workspace, person: str) -> Promotion:
        entry = add(workspace, promotion(person, signed=signs_commits(workspace.root)))
        commit_entry(workspace, entry)
        return entry

    def test_the_commit_of_a_record_is_signed(self, workspace: Workspace, git: Git) -> None:
        assert self.promote(workspace, "Ada").sign_off.signed
        self.promote(workspace, "Grace")

        assert "Good" in git("log", "-1", "--format=%GG")
        assert git("log", "-1", "--format=%s") == "Promotion of run 0123456789ab: approved by Grace"
        assert len(read_promotions(workspace.root)) == 2

    def test_without_a_key_the_record_says_so(self, workspace: Workspace, git: Git) -> None:
        git("config", "--unset", "user.signingKey")
        assert not self.promote(workspace, "Ada").sign_off.signed
        assert len(read_promotions(workspace.root)) == 1

    def test_a_record_that_only_says_it_is_signed_is_refused(self, workspace: Workspace, git: Git) -> None:
        add(workspace, promotion("Eve", signed=True))
        git("add", "promotions")
        git("commit", "-q", "-m", "Promotion")

        with pytest.raises(GateShutError, match=r"promotions\.jsonl:1: the signature of commit .* does not hold"):
            read_promotions(workspace.root)

    def test_a_signed_record_that_is_in_no_commit_is_refused(self, workspace: Workspace, git: Git) -> None:
        add(workspace, promotion("Eve", signed=True))
        with pytest.raises(GateShutError, match="it is in none"):
            read_promotions(workspace.root)

    def test_after_a_signed_record_no_unsigned_one_is_taken(self, workspace: Workspace, git: Git) -> None:
        self.promote(workspace, "Ada")
        add(workspace, promotion("Eve"))
        with pytest.raises(GateShutError, match=r"jsonl:2: this line is unsigned, those before it are signed"):
            read_promotions(workspace.root)

    def test_a_signature_by_a_key_that_is_not_trusted_is_refused(
        self, workspace: Workspace, git: Git, tmp_path: Path
    ) -> None:
        self.promote(workspace, "Ada")
        (tmp_path / "signers").write_text("")
        with pytest.raises(GateShutError, match="does not hold here") as caught:
            read_promotions(workspace.root)
        assert "allowedSignersFile" in (caught.value.hint or "")
