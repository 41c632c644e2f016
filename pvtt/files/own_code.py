"""A workspace's own code runs, wherever the command that was started comes from.

DVC hashes the `pvtt/` that lies in a workspace. The command's virtual environment can point elsewhere: it belongs to
another clone, it holds an installed copy, or the workspace is a temporary copy that DVC made for `dvc exp run --queue`
or `--temp`. Then the same command is started again with the workspace first on PYTHONPATH, which every process below
inherits. What ran is what was hashed, or nothing runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pvtt.errors import ForeignCodeError
from pvtt.files.code import PACKAGE, running_root
from pvtt.files.workspace import find_workspace

VARIABLE = "PYTHONPATH"


def run_own_code() -> None:
    """Return if the code that runs is the workspace's; else start this process's command again, with that code.

    For the first line of a command. A workspace without a `pvtt/` of its own takes the code that there is.

    Raises:
        ForeignCodeError: Even with the workspace first on PYTHONPATH, Python imports another copy.
    """
    root = find_workspace().root
    if is_own_code(root):
        return
    before = os.environ.get(VARIABLE, "")
    first = f"{before}{os.pathsep}".startswith(f"{root}{os.pathsep}")
    if first or not sys.executable:  # it was started again already, and would be for ever
        require_own_code(root)
    sys.stdout.flush()
    environment = os.environ | {VARIABLE: f"{root}{os.pathsep}{before}" if before else str(root)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def require_own_code(root: Path) -> None:
    """Raise `ForeignCodeError` if the workspace at `root` has code of its own and other code runs."""
    if not is_own_code(root):
        raise ForeignCodeError(
            f"pvtt is imported from {running_root()}, this project is {root}",
            f"run `{VARIABLE}={root} {sys.executable or 'python'} -m pvtt.cli`, or install this project into a virtual "
            "environment of its own with `make setup`",
        )


def is_own_code(root: Path) -> bool:
    """Whether the package that runs is that of the workspace at `root`, or `root` has none."""
    own = root / PACKAGE
    return not (own / "__init__.py").is_file() or own.samefile(running_root() / PACKAGE)
