"""The few questions and orders that a run has for Git."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from pvtt.errors import PvttError


def _git(root: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise PvttError("git is not installed", "install it, for example with `apt-get install git`") from None
    if answer.returncode != 0:
        lines = (answer.stderr + answer.stdout).strip().splitlines() or ["no message"]
        raise PvttError(
            f"git {arguments[0]} failed in {root}: {lines[0].strip()}", f"try it: cd {root} && git {arguments[0]}"
        )
    return answer.stdout


def head_commit(root: Path) -> str:
    """The full hash of HEAD. Raises `PvttError` where there is no repository or no commit."""
    return _git(root, "rev-parse", "--verify", "HEAD").strip()


def committed_bytes(root: Path, path: str) -> bytes | None:
    """What HEAD holds of a file; None where it has no such file, or there is no commit or repository."""
    answer = subprocess.run(["git", "show", f"HEAD:./{path}"], cwd=root, capture_output=True, check=False)
    return answer.stdout if answer.returncode == 0 else None


def account(root: Path) -> str:
    """Who is at work, as the machine and Git know them: `user@host (Name <address>)`."""
    import getpass
    import socket

    def configured(key: str) -> str:
        answer = subprocess.run(["git", "config", key], cwd=root, capture_output=True, text=True, check=False)
        return answer.stdout.strip()

    return f"{getpass.getuser()}@{socket.gethostname()} ({configured('user.name')} <{configured('user.email')}>)"


def uncommitted(root: Path, *paths: str) -> tuple[str, ...]:
    """Files below `paths` (by default everywhere) that differ from HEAD or are not in it, ignored ones aside."""
    listing = _git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *paths)
    return tuple(sorted(entry[3:] for entry in listing.split("\0") if entry))


def commit(root: Path, paths: Sequence[str], message: str) -> str | None:
    """Commit these paths and nothing else, whatever is staged besides.

    Returns:
        The new commit's hash; None if nothing in these paths differs from HEAD.

    Raises:
        PvttError: Git refuses, for example because it does not know who commits.
    """
    changed = uncommitted(root, *paths)
    if not changed:
        return None
    _git(root, "add", "--", *changed)
    _git(root, "commit", "--quiet", "--message", message, "--only", "--", *changed)
    return head_commit(root)
