"""`pvtt studio` in a process of its own, which writes down each host that it reaches beyond this machine.

Of its own, since Gradio cannot be used in a process where Twisted, of the crawler, was imported: zope.interface leaves
an attribute on `abc.ABC` that `dir` lists and `getattr` refuses.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT_ROOT = Path(__file__).parents[2]
OWN = ("127.0.0.1", "localhost", "::1")


@dataclass
class Running:
    """A studio that is up.

    Args:
        folder: Where it was started; its ads go to `ads` there.
        process: Its own.
        port: Of its page, on the loopback.
    """

    folder: Path
    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def reached(self) -> list[str]:
        """The hosts beyond this machine that it has connected to."""
        log = self.folder / "reached.txt"
        return log.read_text().split() if log.exists() else []

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C; the exit code, and what it said."""
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output


@contextmanager
def running_studio(folder: Path, model: Path) -> Iterator[Running]:
    """`pvtt studio` in a folder, killed at the end of the block if it still runs."""
    command = [sys.executable, "-m", "tests.studio.watched", "studio", "--port", "0", "--model", str(model)]
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache")}
    environment.pop("PVTT_CACHE_DIR", None)
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"Open http://127\.0\.0\.1:(\d+)/ ", line)
            assert found, line
            process.stdout.readline()  # where the ads go
            yield Running(folder, process, int(found[1]))
        finally:
            process.kill()


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook."""
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in OWN:
        with Path("reached.txt").open("a") as log:
            log.write(f"{arguments[1][0]}\n")


if __name__ == "__main__":
    from pvtt.cli.main import main

    sys.addaudithook(watch)
    main(sys.argv[1:])
