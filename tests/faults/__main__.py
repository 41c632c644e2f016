"""Every fault of the disk, in every library and every command.

Of the injections, `same` were not run, as they are the run of the fault before them; `again` is how often the command
was run afterwards: once for each state of the workspace that faults left.

python -m tests.faults                             every write fails, once and for ever, with each errno (hours)
python -m tests.faults --quick                     every write fails once; errnos take turns
python -m tests.faults --only encode               one command, or `libraries`; may be repeated
python -m tests.faults --only encode --sample 20   a random 20 of its faults
python -m tests.faults --only encode --reads       every read instead, with EIO
python -m tests.faults --state faults.jsonl        keep each result there; the same command again goes on
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.faults.injection import STATE, Counts, Kind, compile_shim, run_under_shim

LIBRARIES = "libraries"


def main() -> int:
    from tests.faults.cases import CASES

    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Every fault of the disk.")
    parser.add_argument("--only", action="append", choices=(LIBRARIES, *CASES), help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="let each call fail in one way, not in all")
    parser.add_argument("--sample", type=int, help="a random sample of this many faults a command")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--reads", action="store_true", help="let reads fail instead of writes")
    parser.add_argument("--state", type=Path, help="file of results: how far it is, and to go on from")
    parser.add_argument("--from-the-start", action="store_true", help="run a command anew for each fault: slow")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()

    found: list[Counts] = []
    for name in options.only or (LIBRARIES, *CASES):
        for counts in run(name, options):
            found.append(counts)
            if not options.json:
                show(counts, with_head=len(found) == 1)
    if options.json:
        json.dump([asdict(counts) for counts in found], sys.stdout, indent=1)
    else:
        total = Counts("all", "writes", sum(counts.num_calls for counts in found))
        for counts in found:
            for name in ("num_faults", "num_injections", "num_ended", "num_absorbed", "num_same", "num_recoveries"):
                setattr(total, name, getattr(total, name) + getattr(counts, name))
            total.violations += counts.violations
        show(total, with_violations=False)
    return int(any(counts.violations for counts in found))


def run(name: str, options: argparse.Namespace) -> list[Counts]:
    """The faults of all libraries, or of one command."""
    from tests.faults.cases import CASES
    from tests.faults.injection import Injector
    from tests.faults.journal import Journal
    from tests.faults.loop import Faults, Loop, scratch_folder

    folder = scratch_folder()
    try:
        if name == LIBRARIES:
            from tests.faults import libraries

            return [
                libraries.run(one, Injector(), folder, Journal(options.state, one, sys.modules), quick=options.quick)
                for one in libraries.WRITERS
            ]
        loop = Loop(name, CASES[name], Injector(), folder)
        kind: Kind = "reads" if options.reads else "writes"
        faults = Faults(options.quick, options.sample, options.seed, options.from_the_start)
        return [loop.run(kind, faults, Journal(options.state, name, loop.modules))]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def show(counts: Counts, *, with_head: bool = False, with_violations: bool = True) -> None:
    """One row of the table."""
    if with_head:
        print(f"{'':14}{'calls':>8}{'injections':>12}{'exit 7':>8}{'absorbed':>10}{'wrong':>8}{'same':>8}{'again':>8}")
    print(
        f"{counts.name:14}{counts.num_calls:>8}{counts.num_injections:>12}{counts.num_ended:>8}"
        f"{counts.num_absorbed:>10}{len(counts.violations):>8}{counts.num_same:>8}{counts.num_recoveries:>8}",
        flush=True,
    )
    for violation in counts.violations if with_violations else ():
        print(f"    {violation}", flush=True)


if __name__ == "__main__":
    if STATE in os.environ:
        sys.exit(main())
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("cc is not installed (`make system-packages` installs it)")
    with tempfile.TemporaryDirectory() as scratch:
        library = compile_shim(Path(scratch), compiler)
        sys.exit(run_under_shim(["-m", "tests.faults", *sys.argv[1:]], library, Path(scratch)).returncode)
