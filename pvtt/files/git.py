"""The few questions and orders that a run has for Git."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pvtt.errors import PvttError


def _ask(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise PvttError("git is not installed", "install it, for example with `apt-get install git`") from None


def _git(root: Path, *arguments: str) -> str:
    answer = _ask(root, *arguments)
    if answer.returncode != 0:
        lines = (answer.stderr + answer.stdout).strip().splitlines() or ["no message"]
        raise PvttError(
            f"git {arguments[0]} failed in {root}: {lines[0].strip()}", f"try it: cd {root} && git {arguments[0]}"
        )
    return answer.stdout


def head_commit(root: Path) -> str:
    """The full hash of HEAD. Raises `PvttError` where there is no repository or no commit."""
    return _git(root, "rev-parse", "--verify", "HEAD").strip()


def committed_bytes(root: Path, path: str, commit: str = "HEAD") -> bytes | None:
    """What a commit holds of a file; None where it has no such file, or there is no commit or repository."""
    answer = subprocess.run(["git", "show", f"{commit}:./{path}"], cwd=root, capture_output=True, check=False)
    return answer.stdout if answer.returncode == 0 else None


def find_commit(root: Path, name: str) -> str | None:
    """The full hash of the commit that a revision names; None where it names none, or there is no repository.

    The name of a DVC experiment is one too: DVC keeps it as a ref of Git.

    Raises:
        PvttError: Several experiments have this name; names their commits.
    """
    if "\0" in name:
        return None
    answer = _ask(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if answer.returncode == 0:
        return answer.stdout.strip()
    lines = _ask(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").stdout.splitlines()
    experiments = [line.split(" ", 1) for line in lines if not line.split(" ", 1)[1].startswith("refs/exps/exec/")]
    found = sorted({commit for commit, ref in experiments if ref.split("/", 4)[4:] == [name]})
    if len(found) > 1:
        raise PvttError(
            f"{len(found)} experiments are called {name}",
            f"name one by its commit: {', '.join(commit[:12] for commit in found)}",
        )
    return found[0] if found else None


def commit_time(root: Path, commit: str) -> str:
    """When a commit was made, ISO 8601 with its committer's offset. Raises `PvttError`."""
    return _git(root, "show", "--no-patch", "--format=%cI", commit, "--").strip()


def commits_of(root: Path, path: str, most: int = 2) -> list[str]:
    """The last commits that changed `path`, the newest first; empty where there are none, or no repository."""
    return _ask(root, "log", f"-{most}", "--format=%H", "--", path).stdout.split()


@dataclass(frozen=True)
class Identity:
    """Who someone is to Git."""

    name: str
    email: str


def own_identity(root: Path) -> Identity:
    """Who would be the author of a commit made here. Raises `PvttError` where Git does not know."""
    named, _, rest = _git(root, "var", "GIT_AUTHOR_IDENT").rpartition("> ")[0].partition(" <")
    return Identity(named.strip(), rest.strip())


def login() -> str:
    """Who is at work, as the machine knows them: `user@host`."""
    import getpass
    import socket

    return f"{getpass.getuser()}@{socket.gethostname()}"


def last_author(root: Path, path: str) -> Identity | None:
    """The author of the last commit that changed `path`; None where there is none."""
    name, _, email = _git(root, "log", "-1", "--format=%an%x00%ae", "--", path).strip().partition("\0")
    return Identity(name, email) if name or email else None


def signs_commits(root: Path) -> bool:
    """Whether Git has a signing key here (`user.signingKey`)."""
    answer = subprocess.run(["git", "config", "user.signingKey"], cwd=root, capture_output=True, text=True, check=False)
    return bool(answer.stdout.strip())


def commits_of_lines(root: Path, path: str) -> list[str]:
    """The commit that each line of HEAD's version of a file came with, in order."""
    blamed = _git(root, "blame", "-s", "-l", "--root", "HEAD", "--", path)
    return [line.split(" ", 1)[0] for line in blamed.splitlines()]


def signature_fault(root: Path, commit: str) -> str | None:
    """Why the signature of a commit does not hold; None: it does.

    Git decides, with the keys that it trusts: of GPG its key ring, of SSH the file `gpg.ssh.allowedSignersFile`.
    """
    answer = subprocess.run(["git", "verify-commit", commit], cwd=root, capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        return None
    lines = (answer.stderr + answer.stdout).strip().splitlines()
    return lines[-1].strip() if lines else "it has no signature"


def uncommitted(root: Path, *paths: str) -> tuple[str, ...]:
    """Files below `paths` (by default everywhere) that differ from HEAD or are not in it, ignored ones aside."""
    listing = _git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *paths)
    return tuple(sorted(entry[3:] for entry in listing.split("\0") if entry))


def commit(root: Path, paths: Sequence[str], message: str, *, sign: bool = False) -> str | None:
    """Commit these paths and nothing else, whatever is staged besides; signed with the user's key, if asked to.

    Returns:
        The new commit's hash; None if nothing in these paths differs from HEAD.

    Raises:
        PvttError: Git refuses, for example because it does not know who commits.
    """
    changed = uncommitted(root, *paths)
    if not changed:
        return None
    _git(root, "add", "--", *changed)
    signing = ["--gpg-sign"] if sign else []
    _git(root, "commit", "--quiet", *signing, "--message", message, "--only", "--", *changed)
    return head_commit(root)


def tagged_commits(root: Path, pattern: str) -> dict[str, str]:
    """Tags whose names fit a pattern of the shell, each with the commit that it names."""
    form = "--format=%(refname:short) %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
    lines = _git(root, "tag", "--list", form, pattern).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)


def make_tag(root: Path, name: str, commit: str, message: str) -> None:
    """Make an annotated tag. Raises `PvttError` where Git refuses, for example because there is one of that name."""
    _git(root, "tag", "--annotate", "--message", message, name, commit)
