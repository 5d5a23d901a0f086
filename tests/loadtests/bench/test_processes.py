"""The processes of a server, and the cores it runs on."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from loadtests.bench import cores, processes

pytestmark = pytest.mark.bench

BURN = "import time\nwhile time.process_time() < 0.5: pass"


@contextmanager
def marked_process(mark: str, source: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that prints a line when it is ready and goes on with each line it gets."""
    child = subprocess.Popen(
        [sys.executable, "-c", source], env=os.environ | {processes.MARK: mark},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        yield child
    finally:
        processes.end(mark, timeout_s=0.5)
        child.wait()
        child.stdout.close()
        child.stdin.close()


def test_marked_processes_are_measured_and_ended():
    mark = uuid.uuid4().hex
    # A grandchild in a session of its own that ignores SIGTERM.
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True);"
        " time.sleep(600)"
    )
    source = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {stubborn!r}], start_new_session=True)\n"
        "time.sleep(600)"
    )
    with marked_process(mark, source) as child:
        marked = [process.pid for process in processes.marked(mark)]
        memory = processes.memory(mark)

    assert len(marked) == 2
    assert child.pid in marked
    assert 0 < memory.largest < 100
    assert memory.together > 0
    assert processes.marked(mark) == []


@pytest.mark.parametrize("ends", [True, False])
def test_cpu_time_of_a_child_counts(ends):
    mark = uuid.uuid4().hex
    child = BURN + ("" if ends else "\nprint(flush=True)\ntime.sleep(600)")
    start = f"subprocess.Popen([sys.executable, '-c', {child!r}]" + (").wait()" if ends else ")")
    done = "print(flush=True)\n" if ends else ""
    source = (
        f"import subprocess, sys\nprint(flush=True)\nsys.stdin.readline()\n{start}\n{done}sys.stdin.read()"
    )
    with marked_process(mark, source) as parent:
        with processes.CpuTime(mark) as idle:
            pass
        with processes.CpuTime(mark) as cpu:
            parent.stdin.write(b"\n")
            parent.stdin.flush()
            parent.stdout.readline()

    assert idle.seconds < 0.2
    assert cpu.seconds >= 0.45  # the kernel counts in hundredths


def test_a_child_without_the_mark_counts_too():
    mark = uuid.uuid4().hex
    source = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'print(flush=True); input()'], env={},"
        " stdin=subprocess.PIPE)\ninput()"
    )
    with marked_process(mark, source):
        assert len(processes.marked(mark)) == 2


@pytest.mark.parametrize(
    ("count", "gain", "kind"),
    [
        (2, 1.93, "2 real cores"), (2, 1.3, "2 halves of one core"), (1, 1.0, "1 core"),
        (16, 15.1, "16 real cores"), (16, 9.5, "16 threads of fewer cores"),
    ],
)  # fmt: skip
def test_kinds_of_cores(count, gain, kind):
    assert cores.kind(count, gain) == kind


def test_a_pinned_program_has_one_core():
    server, generator = cores.pins()
    source = "import os; print(sorted(os.sched_getaffinity(0)))"
    allowed = {
        core: subprocess.check_output(cores.pinned([sys.executable, "-c", source], core), text=True).strip()
        for core in (server, generator)
    }

    if server is None:
        assert len(os.sched_getaffinity(0)) == 1
    else:
        assert server != generator
        assert allowed == {server: f"[{server}]", generator: f"[{generator}]"}
