"""The gate's own tests, run once for each fault that is planted into the gate: which of them fails?

    tests, collected once ──► without a fault: all pass ──► each fault, planted: the first test that fails

In this process, since the faults are planted into modules that are loaded; fixtures of the session are made once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.mutate import planted
from tests.promotion.mutations import Fault

ROOT = Path(__file__).resolve().parents[2]
OFF = ("cacheprovider", "xdist", "xdist.looponfail", "faulthandler")


class MutationRound:
    """A pytest plugin that takes the place of its loop over tests.

    Args:
        faults: To plant, one after the other.
        elsewhere: Whether all other tests are run too where those that a fault shows in pass.

    Attributes:
        caught: By fault, the test that failed with it in place; None: all passed.
        broken: Tests that fail without a fault.
    """

    def __init__(self, faults: Sequence[Fault], *, elsewhere: bool) -> None:
        self._faults, self._elsewhere = faults, elsewhere
        self.caught: dict[Fault, str | None] = {}
        self.broken: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:  # some file cannot be collected
            raise session.Interrupted(f"{session.testsfailed} errors while tests were collected")
        self.broken = [item.nodeid for item in session.items if not self._passes(item)]
        for fault in self._faults if not self.broken else ():
            with planted(fault.mutation):
                self.caught[fault] = next(
                    (i.nodeid for i in self._in_order(session, fault) if not self._passes(i)), None
                )
            print(f"{fault.mutation}\n    {self.caught[fault] or 'shows in no test'}", flush=True)
        session._setupstate.teardown_exact(None)
        return True

    def _in_order(self, session: pytest.Session, fault: Fault) -> Iterator[pytest.Item]:
        yield from (item for item in session.items if item.nodeid.startswith(fault.shows_in))
        if self._elsewhere:
            yield from (item for item in session.items if not item.nodeid.startswith(fault.shows_in))

    @staticmethod
    def _passes(item: pytest.Item) -> bool:
        keep: Any = item.session  # whatever is of the session stays; modules' fixtures are made anew
        return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=keep))


def run_round(
    faults: Sequence[Fault], paths: Sequence[str], scratch: Path, *, elsewhere: bool = False
) -> MutationRound:
    """Plant each fault and run the tests at `paths`, in this process.

    Args:
        faults: To plant.
        paths: Files and folders below the project.
        scratch: A folder for the tests, which is not there yet: pytest would else clear up what earlier runs left in
            the common one, for minutes.
        elsewhere: As of `MutationRound`.

    Raises:
        AssertionError: The tests cannot be collected, or one of them fails without a fault.
    """
    done = MutationRound(faults, elsewhere=elsewhere)
    off = [word for name in OFF for word in ("-p", f"no:{name}")]
    options = ["-q", "--no-header", "--capture=no", "-m", "not proof", "--override-ini=timeout=0", *off]
    code = pytest.main(
        [f"--rootdir={ROOT}", f"--basetemp={scratch}", *options, *(str(ROOT / path) for path in paths)], plugins=[done]
    )
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), code
    assert not done.broken, f"without a fault: {done.broken}"
    assert len(done.caught) == len(faults)
    return done
