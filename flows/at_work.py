"""Who is at work in a checkout: commands of DVC, by its locks, and stages that were started without it.

What is surely gone is taken out of DVC's locks; what may be at work is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from flows.rwlock import NAME, UNREADABLE, Entry, clear, entries_of, process_of, put_aside, read_rwlock, written_at
from pvtt.files.lock import Holder, is_held, read_holder
from pvtt.files.workspace import Workspace
from pvtt.stages.all import STAGE_NAMES

OWN_LOCKS = (*STAGE_NAMES, "crawl")  # `.pvtt/<name>.lock`


@dataclass(frozen=True)
class Work:
    """Something at work in the checkout.

    Args:
        what: A stage, or a command.
        pid: Of the process that holds the lock; None where it is not known.
        since: When it started, ISO 8601 with its offset; None where it is not known.
        host: Where it runs, if that is another host.
    """

    what: str
    pid: int | None = None
    since: str | None = None
    host: str | None = None

    @property
    def is_command(self) -> bool:
        """Whether it is a command of DVC, of which it is not known, or not true, that a stage runs."""
        return self.what.startswith("dvc ")

    def __str__(self) -> str:
        process = None if self.pid is None else f"process {self.pid}" + (f" on {self.host}" if self.host else "")
        about = [part for part in (process, self.since and f"since {self.since}") if part]
        return f"{self.what} ({', '.join(about)})" if about else self.what


def find_work(workspace: Workspace, say: Callable[[str], None]) -> list[Work]:
    """Everything at work in the checkout, a stage once.

    Args:
        workspace: The checkout.
        say: Told of each lock of a dead process that was cleared.
    """
    own = _stages_at_work(workspace)
    folder = _dvc_folder(workspace.root)
    found = [] if folder is None else [*_rwlock_work(workspace, folder, say), *_lock_work(folder)]
    known = {work.what for work in found} | {None}
    pids = {work.pid for work in found}
    return found + [work for work in own if work.what not in known and work.pid not in pids]


def _dvc_folder(root: Path) -> Path | None:
    """DVC's folder for locks, of the project that holds `root`."""
    return next((folder / ".dvc" / "tmp" for folder in (root, *root.parents) if (folder / ".dvc").is_dir()), None)


def _stages_at_work(workspace: Workspace) -> list[Work]:
    """Stages and crawls whose own lock is held, whoever started them."""
    held = (name for name in OWN_LOCKS if is_held(workspace.state / f"{name}.lock"))
    return [_as_work(name, read_holder(workspace.state / f"{name}.lock")) for name in held]


def _as_work(name: str, holder: Holder | None) -> Work:
    if holder is None:
        return Work(name)
    return Work(name, holder.pid, holder.since, holder.host if holder.is_elsewhere else None)


def _lock_work(folder: Path) -> list[Work]:
    """The command that holds DVC's lock of the whole project, as `dvc push` does."""
    path = folder / "lock"
    if not is_held(path):
        return []
    try:
        process = psutil.Process(int(path.read_text()))
        return [Work(_command(process.cmdline()), process.pid, _iso(process.create_time()))]
    except (OSError, ValueError, psutil.Error):
        return [Work("a command of DVC")]


def _rwlock_work(workspace: Workspace, folder: Path, say: Callable[[str], None]) -> list[Work]:
    content = read_rwlock(folder)
    if content is None:
        return _unreadable(workspace, folder, say)
    written = written_at(folder)
    found: list[Work] = []
    gone: set[int] = set()
    for pid, entry in sorted(entries_of(content).items()):
        process = process_of(pid, written)
        if isinstance(process, psutil.Process):
            found.append(_describe(process, entry))
        elif process == "hidden":
            found.append(Work(_names(entry), pid))
        elif (elsewhere := _holder_elsewhere(workspace, entry)) is not None:
            found.append(Work(_names(entry), pid, elsewhere.since, elsewhere.host))
        else:
            gone.add(pid)
    if gone:
        clear(folder, gone)
        for pid in sorted(gone):
            say(f"{_names(entries_of(content)[pid])}: process {pid} is gone, its lock is cleared")
    return found


def _describe(process: psutil.Process, entry: Entry) -> Work:
    """The stage that a command of DVC runs, by what DVC tells the stage; else the command."""
    started = process.create_time() if process.is_running() else None
    with suppress(psutil.Error):
        for child in process.children(recursive=True):
            with suppress(psutil.Error):
                stage = child.environ().get("DVC_STAGE")
                if stage:
                    return Work(stage, process.pid, _iso(child.create_time()))
    return Work(_names(entry), process.pid, None if started is None else _iso(started))


def _holder_elsewhere(workspace: Workspace, entry: Entry) -> Holder | None:
    """Who of another host last held the lock of a stage whose output an entry names.

    DVC's file does not say on which host a process is; our own note does.
    """
    holders = (read_holder(workspace.state / f"{name}.lock") for name in _stages_of(entry))
    return next((holder for holder in holders if holder is not None and holder.is_elsewhere), None)


def _stages_of(entry: Entry) -> list[str]:
    parts = {part for path in entry.paths for part in Path(path).parts}
    return [name for name in STAGE_NAMES if name in parts]


def _names(entry: Entry) -> str:
    return _command(entry.command.split())


def _command(arguments: list[str]) -> str:
    """A command line as a person would type it: `dvc repro train_stage1`."""
    for index, argument in enumerate(arguments):
        if re.search(r"(^|/)dvc(/__main__\.py)?$", argument):
            return " ".join(["dvc", *arguments[index + 1 :]])
    return " ".join(arguments) or "a command of DVC"


def process_name(process: psutil.Process) -> str | None:
    """The stage that a process works for, else its command; None where it is gone."""
    with suppress(psutil.Error):
        return process.environ().get("DVC_STAGE") or _command(process.cmdline())
    return None


def _unreadable(workspace: Workspace, folder: Path, say: Callable[[str], None]) -> list[Work]:
    """Half a file is put aside once no DVC is at work here."""
    if at_work := list(_dvc_processes(workspace.root)):
        return at_work
    if put_aside(folder):
        say(f"{folder / NAME} was half-written and nothing of DVC runs here: it is now {UNREADABLE}")
    return []


def _dvc_processes(root: Path) -> Iterator[Work]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            command = _command(process.cmdline())
            if command.startswith("dvc ") and Path(process.cwd()).is_relative_to(root):
                yield Work(command, process.pid, _iso(process.create_time()))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
