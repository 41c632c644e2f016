"""`dvc push` before the commit that points at the data: a clone elsewhere can `dvc pull` what the commit names."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.cancel import RunCancelledError
from flows.notify import without_credentials
from flows.waiting import Patience
from pvtt.errors import PvttError, first_line
from pvtt.files.workspace import Workspace

PUSH_WITHIN_S = 12 * 3600.0  # a remote that hangs costs a night, not the run
INCOMPLETE = "do not exist neither locally nor on remote"  # DVC only warns


@dataclass(frozen=True)
class Push:
    """What became of a push.

    Args:
        what: What the commit points at, for a person.
        remote: The default remote's name; None where none is configured.
        fault: Why not everything is there; None where it is.
    """

    what: str
    remote: str | None
    fault: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the remote holds everything that the commit points at."""
        return self.remote is not None and self.fault is None

    @property
    def warning(self) -> str | None:
        """What a person has to know; None where all went well."""
        if self.remote is None:
            return (
                f"No DVC remote is configured: {self.what} lie on this disk alone, and with it they are lost; the "
                "commit only points at them. Name one with `dvc remote add --default NAME PLACE` (docs/nightly.md)."
            )
        if self.fault is not None:
            return (
                f"Not all of {self.what} is on the DVC remote {self.remote}: {self.fault}. "
                f"Repeat it with `dvc push --remote {self.remote}`; until then it lies on this disk alone."
            )
        return None

    def message(self, subject: str) -> str:
        """A commit's message, which says what is not on the remote."""
        if self.is_whole:
            return subject
        where = (
            "no DVC remote is configured" if self.remote is None else f"`dvc push --remote {self.remote}` repeats it"
        )
        return f"{subject}\n\nNot pushed: {self.what}; {where}."


@task(task_run_name="push", cache_policy=NO_CACHE)
def push(patience: Patience, what: str, target: str | None = None) -> Push:
    """Copy what DVC keeps to the default remote. A fault is a warning: what was worked out stands without it.

    Args:
        patience: How to wait, and where.
        what: What is pushed, for a person.
        target: A `.dvc` file; by default everything that the checkout points at.
    """
    started = time.monotonic()

    def check() -> None:
        patience.check()
        if time.monotonic() - started > PUSH_WITHIN_S:
            raise PvttError(f"it took more than {PUSH_WITHIN_S / 3600:g} hours")

    remote = None
    try:
        remote = default_remote(patience.workspace)
        if remote is None:
            return Push(what, None)
        arguments = ["push", "--remote", remote, *([target] if target else [])]
        printed = replace(patience, check=check).run_dvc("dvc-push", arguments)
    except RunCancelledError:
        raise
    except PvttError as error:
        return Push(what, remote or "that .dvc/config names", without_credentials(first_line(error)))
    if INCOMPLETE in printed:
        return Push(what, remote, "some of its files are missing from the cache too (.pvtt/logs/dvc-push.log)")
    return Push(what, remote)


def default_remote(workspace: Workspace) -> str | None:
    """The name of DVC's default remote; None where none is configured. Raises `PvttError`."""
    from dvc.config import Config, ConfigError

    try:
        name = Config(str(workspace.root / ".dvc")).get("core", {}).get("remote")
    except ConfigError as error:
        raise PvttError(f"DVC's configuration cannot be read: {first_line(error)}", "mend .dvc/config") from None
    return None if name is None else str(name)
