"""The supervisor: opens everything once, forks a worker per core, and replaces one that dies or hangs.

Workers share the memory of the models that were open before the fork, and the listening socket. A signal that
ends the supervisor ends its workers, in order; where it is killed, they see its pipe close and end too.
"""

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

from service.monitoring.shared.worker_group import WorkerGroup

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0
"""Between two looks at the heartbeats."""

STOP_SIGNALS: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT)

MAX_RESTART_DELAY_S = 30.0
STEADY_AFTER_S = 60.0
"""A worker that lived this long is replaced at once; the delay doubles where workers die sooner."""

BACKLOG = 2048
"""Connections that wait to be accepted, as uvicorn has it."""

RunWorker = Callable[[WorkerGroup, int], None]
"""Serves until a signal ends it. Called in the worker's process with a descriptor that is readable once the
supervisor has ended."""


class Supervisor:
    """Keeps the workers of a group running.

    Args:
        group: The workers.
        run_worker: What each of them does.
        on_stop: Called when a signal has come; a socket is closed by its last worker only if it closes here.
        hangs_after_s: Seconds without a heartbeat after which a worker is replaced.
    """

    def __init__(
        self,
        group: WorkerGroup,
        run_worker: RunWorker,
        hangs_after_s: float,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._group = group
        self._run_worker = run_worker
        self._on_stop = on_stop
        self._max_missed = max(round(hangs_after_s / CHECK_INTERVAL_S), 5)
        self._pids: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._missed = [0] * group.size
        self._last_beats = [0.0] * group.size
        self._due: dict[int, float] = {}
        self._delay_s = 0.0
        self._was_ready = self._stopping = False
        self._signals, self._alive = os.pipe(), os.pipe()

    def run(self) -> int:
        """Run until a signal ends all workers; returns the exit code."""
        os.set_blocking(self._signals[1], False)
        signal.set_wakeup_fd(self._signals[1], warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, _noted)
        for worker in range(self._group.size):
            self._fork(worker)
        next_check = time.monotonic() + CHECK_INTERVAL_S
        while self._pids or self._due:
            timeout = max(min([next_check, *self._due.values()]) - time.monotonic(), 0)
            if select.select([self._signals[0]], [], [], timeout)[0]:
                for number in os.read(self._signals[0], 256):
                    if number in STOP_SIGNALS:
                        self._stop(number)
            self._reap()
            self._fork_due()
            if time.monotonic() >= next_check:
                next_check = time.monotonic() + CHECK_INTERVAL_S
                self._check_heartbeats()
        return 0 if self._stopping else 1

    def _fork(self, worker: int) -> None:
        self._due.pop(worker, None)
        self._missed[worker], self._last_beats[worker] = 0, 0.0
        # A signal for the child that comes before it has its own handlers would go into the pipe of this one.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._become(worker)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        self._pids[pid] = worker
        self._started[worker] = time.monotonic()

    def _become(self, worker: int) -> None:
        """Be a worker, in a process that has just been forked; never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (*STOP_SIGNALS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            for descriptor in (*self._signals, self._alive[1]):
                os.close(descriptor)
            self._group.become(worker)
            self._run_worker(self._group, self._alive[0])
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            log.exception("worker %d failed", worker)
        finally:
            # Not sys.exit: the supervisor's own clean-up, on the stack below, is not for a worker to do.
            logging.shutdown()
            os._exit(code)

    def _stop(self, number: int) -> None:
        """Pass a signal on; workers that wait to be started are not."""
        self._stopping = True
        self._due.clear()
        self._on_stop()
        for pid in self._pids:
            os.kill(pid, signal.SIGTERM)
        log.info("%s: ending %d workers", signal.Signals(number).name, len(self._pids))

    def _reap(self) -> None:
        """Note which workers have ended, and when to replace them."""
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            worker = self._pids.pop(pid, None)
            if worker is None:
                continue
            self._group.forget(worker)
            if self._stopping:
                continue
            code = os.waitstatus_to_exitcode(status)
            if not self._was_ready and not self._group.heartbeats.total():
                log.error("worker %d ended with %d before it was ready", pid, code)
                self._stop(signal.SIGTERM)
                self._stopping = False  # for the exit code
                return
            lived_s = time.monotonic() - self._started[worker]
            steady = lived_s > STEADY_AFTER_S
            self._due[worker] = time.monotonic() + (0.0 if steady else self._delay_s)
            self._delay_s = 0.0 if steady else min(max(2 * self._delay_s, 0.5), MAX_RESTART_DELAY_S)
            log.warning("worker %d ended with %d after %.0f s; another takes its place", pid, code, lived_s)

    def _fork_due(self) -> None:
        now = time.monotonic()
        for worker in [worker for worker, due in self._due.items() if due <= now]:
            self._fork(worker)

    def _check_heartbeats(self) -> None:
        """Kill a worker whose event loop stands still: no other can answer what it has accepted.

        Checks are counted, not seconds: where all processes were halted together, no worker is at fault.
        """
        for pid, worker in self._pids.items():
            beat = self._group.heartbeats.of(worker)
            self._was_ready |= beat > 0
            self._missed[worker] = (
                self._missed[worker] + 1 if beat and beat == self._last_beats[worker] else 0
            )
            self._last_beats[worker] = beat
            if self._missed[worker] > self._max_missed:
                seconds = self._missed[worker] * CHECK_INTERVAL_S
                log.error("worker %d is killed: its event loop stood still for %.0f s", pid, seconds)
                os.kill(pid, signal.SIGKILL)
                self._missed[worker] = 0


def _noted(number: int, frame: FrameType | None) -> None:
    """Do nothing: the number of the signal is in the wakeup pipe."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on an address.

    Raises:
        OSError: The address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
