"""The table that workers share: it remembers like a dictionary, within bounds."""

import os

from hypothesis import given
from hypothesis import strategies as st

from service.monitoring.shared.table import WINDOW, SharedTable

STEPS = st.lists(st.tuples(st.integers(0, 20), st.floats(-5, 5)), max_size=60)


@given(STEPS)
def test_it_is_a_dictionary_while_there_is_room(steps):
    table, oracle = SharedTable(1024), {}
    for time, (key, value) in enumerate(steps):
        assert table.get(key) == oracle.get(key)
        table.set(key, value, time)
        oracle[key] = (value, time)
    assert all(table.get(key) == found for key, found in oracle.items())


def test_the_keys_set_longest_ago_make_room():
    table = SharedTable(64)
    for key in range(10_000):
        table.set(key, key, key)

    assert table.get(9_999) == (9_999, 9_999)
    remembered = [key for key in range(10_000) if table.get(key)]
    assert WINDOW <= len(remembered) <= 64
    assert min(remembered) > 9_000


def test_a_forked_process_sees_and_sets_the_same():
    table = SharedTable(64)
    table.set("parent", 1.5, 2)
    pid = os.fork()
    if pid == 0:
        table.set("child", table.get("parent")[0] * 2, 3)
        os._exit(0)
    os.waitpid(pid, 0)
    assert table.get("child") == (3.0, 3.0)
