"""The line that a node prints, written and read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

MARK = "pvtt-doctor "


@dataclass(frozen=True)
class NodeReport:
    """A node's own account.

    Args:
        host: Its name.
        python: The interpreter that ran.
        root: The folder that its `pvtt` came from.
        code: Hash of all modules of that `pvtt`.
        versions: Of the packages that matter; empty where one is not installed.
        time: Seconds since the epoch.
        cores: That the job may use.
    """

    host: str
    python: str
    root: str
    code: str
    versions: Mapping[str, str]
    time: float
    cores: int


def code_hash() -> tuple[str, str]:
    """The folder of the `pvtt` that is running, and one hash of its modules' names and content."""
    from pvtt.files.code import package_files, running_root

    total = hashlib.sha256()
    for name, path in package_files().items():
        total.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return str(running_root()), total.hexdigest()


def parse_report(output: str) -> NodeReport | None:
    """The account in a job's output; None: there is none."""
    for line in output.splitlines():
        if line.startswith(MARK):
            try:
                return NodeReport(**json.loads(line.removeprefix(MARK)))
            except (ValueError, TypeError):
                return None
    return None
