"""Runs an ablation's experiments, some at a time, until none waits.

The queue is what lies in the experiments' folders and nothing else: kill -9 at any moment, and the next run goes on
with what is not done, a training at its last checkpoint. Several runs may share a folder; each experiment's lock says
who has it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pvtt.ablation.basis import code_folder, stages
from pvtt.ablation.experiment import Attempt, Experiment, seconds_left
from pvtt.dispatch.command import StepError, run_step
from pvtt.dispatch.local import THREAD_VARIABLES
from pvtt.errors import FailureBudgetError, ForeignCodeError, LockedError, PvttError, StorageError
from pvtt.files.lock import is_held
from pvtt.files.own_code import VARIABLE as CODE_VARIABLE
from pvtt.files.workspace import Workspace
from pvtt.items.progress import Progress
from pvtt.records.process import Failure, ProgressState, read_left
from pvtt.stages.stage import Stage

POLL_EVERY_S = 0.3
# A training that lost its starter saves a checkpoint after its step, and ends.
WAIT_FOR_ORPHAN_S = 300.0
NUM_NAMED = 5  # failed experiments named in the error
# No fault of the experiment: the next would meet it too.
MACHINE_FAULTS = {kind.exit_code: kind for kind in (StorageError, ForeignCodeError)}
DISPATCH_VARIABLE = "PVTT_DISPATCH"
CACHE_VARIABLE = "PVTT_CACHE_DIR"


class StoppedError(Exception):
    """The queue is to end: the stage in work was asked to."""


def run_experiments(experiments: Sequence[Experiment], project: Workspace, jobs: int) -> None:
    """Run all that are not done, those that failed before too.

    Args:
        experiments: In the order to run them.
        project: The checkout that the ablation is run in.
        jobs: How many at a time. Each is one thread, whatever their number: it decides over a result's last bits.

    Raises:
        FailureBudgetError: Some failed; names them. The others are done.
        LockedError: Some are being run by another process.
        StorageError, ForeignCodeError: The machine's fault; the queue has ended.
    """
    queue = Queue(experiments, project)
    queue.run(jobs)
    elsewhere = [one.name for one in experiments if one.status() == "running"]
    failed = [(one, outcome) for one in experiments if (outcome := one.outcome()) and outcome.failure is not None]
    if failed:
        named = "; ".join(
            f"{one.name}: {outcome.stage}: {outcome.failure.message}"
            for one, outcome in failed[:NUM_NAMED]
            if outcome.failure is not None
        )
        more = f"; and {len(failed) - NUM_NAMED} more" if len(failed) > NUM_NAMED else ""
        raise FailureBudgetError(
            f"{len(failed)} of {len(experiments)} experiments failed: {named}{more}",
            "`pvtt ablate status` names the logs; mend the cause and run again: what is done is kept",
        )
    if elsewhere:
        raise LockedError(
            f"another process runs {', '.join(elsewhere)}", "wait until it ends, or stop it, then run again"
        )


@dataclass
class Queue:
    """Experiments that wait, and what is known of those at work.

    Args:
        experiments: In order.
        project: The checkout that the ablation is run in.
    """

    experiments: Sequence[Experiment]
    project: Workspace

    def __post_init__(self) -> None:
        self._waiting = [one for one in self.experiments if one.status() != "done"]
        self._changed = threading.Condition()
        self._encoding: dict[str, Experiment] = {}  # by what their samples depend on
        self._working: dict[str, str] = {}  # experiment → what it does, for people
        self._fault: PvttError | None = None
        self._stopped = threading.Event()
        self._jobs = 1

    def run(self, jobs: int) -> None:
        """Work until nothing waits. Raises the machine's fault that ended it, and `KeyboardInterrupt`."""
        self._jobs = jobs
        threads = [
            threading.Thread(target=self._work, name=f"ablate-{number}")
            for number in range(min(jobs, len(self._waiting)))
        ]
        for thread in threads:
            thread.start()
        try:
            with self._bar() as show:
                while any(thread.is_alive() for thread in threads):
                    time.sleep(POLL_EVERY_S)
                    show()
        finally:
            self._stop()
            for thread in threads:
                thread.join()
        if self._fault is not None:
            raise self._fault

    @contextmanager
    def _bar(self) -> Iterator[Callable[[], None]]:
        """A progress bar on a terminal; a log of hours gets a line where an experiment begins and ends."""
        if not sys.stderr.isatty():
            yield lambda: None
            return
        total = len(self.experiments)
        with Progress("ablate", total, done=total - len(self._waiting), unit="experiments") as progress:
            yield lambda: progress.update(
                sum(one.outcome() is not None for one in self.experiments), "; ".join(tuple(self._working.values()))
            )

    def _stop(self) -> None:
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _work(self) -> None:
        """Take one experiment after another."""
        while (experiment := self._take()) is not None:
            try:
                self._run(experiment)
            except StoppedError:
                return
            except LockedError as error:
                self._say(f"{experiment.name}: {error.message}")
            except PvttError as error:
                self._fault = error
                self._stop()
            except Exception as error:
                self._fault = PvttError(
                    f"{experiment.name}: {type(error).__name__}: {error}", "this is a fault of the program"
                )
                self._stop()
                raise
            finally:
                self._working.pop(experiment.name, None)
                self._encoded(experiment)

    def _take(self) -> Experiment | None:
        """The first that waits and whose samples nobody is encoding at the moment: they come from the cache later."""
        with self._changed:
            while self._waiting and not self._stopped.is_set():
                for experiment in self._waiting:
                    key = experiment.samples_key
                    if key not in self._encoding:
                        self._waiting.remove(experiment)
                        self._encoding[key] = experiment
                        return experiment
                self._changed.wait()
            return None

    def _encoded(self, experiment: Experiment) -> None:
        with self._changed:
            if self._encoding.get(experiment.samples_key) is experiment:
                del self._encoding[experiment.samples_key]
            self._changed.notify_all()

    def _run(self, experiment: Experiment) -> None:
        """Bring one experiment to its outcome.

        Raises:
            StoppedError: The queue ends; there is none.
            LockedError: Another process runs it.
            StorageError, ForeignCodeError: The machine's fault; there is none.
        """
        with experiment.held():
            if experiment.is_done:
                return  # by another process, since this one looked
            experiment.prepare(self.project)
            self._say(f"{experiment.name} begins")
            for stage in stages():
                try:
                    if not experiment.is_finished(stage):
                        self._run_stage(experiment, stage)
                except StepError as error:
                    if error.exit_code in MACHINE_FAULTS:
                        raise MACHINE_FAULTS[error.exit_code](
                            f"{experiment.name}: {error.message}", error.hint
                        ) from None
                    failure = Failure(exit_code=error.exit_code, message=error.message, hint=error.hint)
                    experiment.write_outcome(stage.name, failure)
                    self._say(f"{experiment.name} failed in {stage.name}: {error.message}")
                    return
                if stage.name == "encode":
                    self._encoded(experiment)
            experiment.write_outcome()
        self._say(f"{experiment.name} done in {in_words(experiment.seconds())}")

    def _run_stage(self, experiment: Experiment, stage: Stage) -> None:
        workspace = experiment.workspace
        self._wait_for_orphan(workspace, stage)
        watch = Watch(stage.name)
        left = read_left(workspace.progress / f"{stage.name}.json", ProgressState)
        if left is not None:  # of a try that was killed
            experiment.add_attempt(Attempt(stage=stage.name, seconds=left.elapsed_s))
        start = time.monotonic()

        def see(state: ProgressState) -> None:
            watch.see(state)
            self._working[experiment.name] = f"{experiment.name} {stage.name} {state.done}/{state.total}"

        try:
            run_step(
                workspace,
                stage.name,
                [sys.executable, "-m", "pvtt.cli", stage.name],
                see,
                environment=self._environment(experiment),
                on_poll=self._check_stopped,
                ends_with_parent=True,
            )
        finally:
            experiment.add_attempt(watch.attempt(time.monotonic() - start))
            (workspace.progress / f"{stage.name}.json").unlink(missing_ok=True)
        experiment.write_finished(stage)

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise StoppedError

    def _wait_for_orphan(self, workspace: Workspace, stage: Stage) -> None:
        """Let a stage end whose starter was killed: it was asked to, and it holds its own lock until then."""
        limit = time.monotonic() + WAIT_FOR_ORPHAN_S
        while is_held(workspace.state / f"{stage.name}.lock") and time.monotonic() < limit:
            self._check_stopped()
            time.sleep(POLL_EVERY_S)

    def _environment(self, experiment: Experiment) -> dict[str, str]:
        """One thread in the stage's own process, and work on items there too, unless `PVTT_DISPATCH` says otherwise;
        the project's cache."""
        place = os.environ.get(DISPATCH_VARIABLE) or "inline"
        on_slurm = place.endswith((".yaml", ".yml"))
        code = code_folder(experiment.folder, experiment.basis)
        return dict.fromkeys(THREAD_VARIABLES, "1") | {
            DISPATCH_VARIABLE: str((self.project.root / place).resolve()) if on_slurm else place,
            CACHE_VARIABLE: str(self.project.cache.resolve()),
            CODE_VARIABLE: os.pathsep.join(filter(None, (str(code), os.environ.get(CODE_VARIABLE)))),
        }

    def _say(self, text: str) -> None:
        left = seconds_left(self.experiments, self._jobs)
        about = "" if left is None else f"; about {in_words(left)} left"
        print(f"ablate: {text}{about}", file=sys.stderr, flush=True)


class Watch:
    """Measures a training's pace from the states of its progress that it is shown."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._first: ProgressState | None = None
        self._last: ProgressState | None = None

    def see(self, state: ProgressState) -> None:
        """One more state, later than those before."""
        if state.unit == "steps":
            self._first = self._first or state
            self._last = state

    def attempt(self, seconds: float) -> Attempt:
        """What the try was, which took so many seconds with all that is around the steps."""
        if self._first is None or self._last is None:
            return Attempt(stage=self._stage, seconds=round(seconds, 1))
        return Attempt(
            stage=self._stage,
            seconds=round(seconds, 1),
            steps=self._last.done - self._first.done,
            steps_seconds=round(self._last.elapsed_s - self._first.elapsed_s, 1),
        )


def in_words(seconds: float) -> str:
    """For people: `40 s`, `12 min`, `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
