"""Work in processes of this machine: a fresh process an argument, so that a crash loses that argument only.

`concurrent.futures.ProcessPoolExecutor` breaks every pending call when one worker dies, and a segmentation fault in a
video decoder is an expected event here.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from pvtt.dispatch.call_result import CallResult, WorkerDiedError, call
from pvtt.dispatch.sent_call import SentCall, send
from pvtt.errors import ForeignCodeError
from pvtt.items.dispatcher import ArgumentT, ResultT

# OpenCV's own pool does not follow OpenMP's variable.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
STOP_WITHIN_S = 5.0


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    numbers = (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia*"))
    return sorted((number for number in numbers if number.isdecimal()), key=int)


def count_cores() -> int:
    """The cores that this process may use, which a container or `taskset` can make fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalDispatcher:
    """A `Dispatcher` over processes.

    Workers are spawned, not forked (libraries with threads do not survive a fork), get their share of the cores as
    threads and one of the GPUs, ignore Ctrl-C (this process stops them), and end when this process dies, however it
    dies.

    Args:
        num_workers: How many processes work at once.
        one_a_gpu: Stages of which, where there are GPUs, no two processes work on the same one.
    """

    def __init__(self, num_workers: int, one_a_gpu: Collection[str] = ()) -> None:
        if num_workers < 1:
            raise ValueError(f"num_workers {num_workers} is below 1")
        self._num_workers = num_workers
        self._one_a_gpu = frozenset(one_a_gpu)
        self._context = multiprocessing.get_context("spawn")

    @property
    def num_workers(self) -> int:
        return self._num_workers

    def workers_for(self, name: str) -> int:
        """See `Dispatcher.workers_for`."""
        gpus = visible_gpus() if name in self._one_a_gpu else []
        return min(self._num_workers, len(gpus)) if gpus else self._num_workers

    def left_behind(self, name: str) -> list[object] | None:
        """None: workers end with the process that started them."""
        return None

    def map(
        self, function: Callable[[ArgumentT], ResultT], arguments: Sequence[ArgumentT], *, name: str
    ) -> list[ResultT | BaseException]:
        """See `Dispatcher.map`. A worker that died is a `WorkerDiedError`.

        Raises:
            ForeignCodeError: A worker would run other code than this process sent.
        """
        results: dict[int, ResultT | BaseException] = {}
        waiting = list(enumerate(send(function, arguments)))
        working: dict[int, tuple[SpawnProcess, Connection]] = {}
        num_workers = self.workers_for(name)
        places: dict[int, int] = {}  # of a worker, which decides its GPU
        try:
            while waiting or working:
                while waiting and len(working) < num_workers:
                    index, sent = waiting.pop(0)
                    free = set(range(num_workers)) - {places[other] for other in working}
                    places[index] = min(free)
                    working[index] = self._start(sent, f"{name}-{index}", places[index], num_workers)
                wait([connection for _, connection in working.values()])  # a dead worker's end is closed: readable
                for index, (process, connection) in list(working.items()):
                    if connection.poll():
                        result = results[index] = _receive(process, connection)
                        del working[index]
                        if isinstance(result, ForeignCodeError):
                            raise result
        finally:
            _stop([process for process, _ in working.values()])
        return [results[index] for index in range(len(arguments))]

    def run(self, function: Callable[[ArgumentT], ResultT], argument: ArgumentT, *, name: str) -> ResultT:
        """See `Dispatcher.run`: in this process, with all its cores."""
        return function(argument)

    def _start(self, sent: SentCall, name: str, place: int, num_workers: int) -> tuple[SpawnProcess, Connection]:
        receiver, sender = self._context.Pipe(duplex=False)
        num_threads, gpus = max(1, count_cores() // num_workers), visible_gpus()
        gpu = gpus[place % len(gpus)] if gpus else None
        process = self._context.Process(target=_work, args=(sender, sent, num_threads, gpu), name=name, daemon=True)
        process.start()
        sender.close()  # the worker has its own copy; ours would keep the pipe open after its death
        return process, receiver


def _receive(process: SpawnProcess, connection: Connection) -> Any:
    """A worker's result, or the exception in its place."""
    try:
        result: CallResult = connection.recv()
    except EOFError:
        process.join()
        return WorkerDiedError(_describe_exit(process.exitcode))
    finally:
        connection.close()
    process.join(STOP_WITHIN_S)
    _stop([process])
    return result.value if result.error is None else result.error


def _describe_exit(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    number = -exit_code
    hint = ": out of memory?" if number == signal.SIGKILL else ""
    return f"its process was ended by {signal.Signals(number).name}{hint}"


def _stop(processes: list[SpawnProcess]) -> None:
    """End processes that still run: politely, then for certain."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(STOP_WITHIN_S)
        if process.is_alive():
            process.kill()
            process.join()


def _work(connection: Connection, sent: SentCall, num_threads: int, gpu: str | None) -> None:
    """The worker process's main function."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(num_threads)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu

    def check_and_call(sent: SentCall) -> Any:
        sent.check()
        function, argument = sent.unpack()  # imports what they need, with the threads set
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(num_threads)
        return function(argument)

    connection.send(call(check_and_call, sent))


def _end_with_parent() -> None:
    """Wait for the parent's end, then end this process at once: nobody would read its result."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
