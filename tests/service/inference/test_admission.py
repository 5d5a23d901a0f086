"""Admission: nobody is let in to wait for nothing, and what Retry-After says is true."""

from contextlib import ExitStack

import pytest

from service.inference.admission import ALWAYS_ADMITTED, Admission, Refused


def check(admission):
    """Raise what would refuse one more picture."""
    if refused := admission.refusal():
        raise refused


def answer_steadily(admission, clock, pace, count=200):
    """One picture after the other, each `pace` seconds after the last."""
    for _ in range(count):
        with admission.slot():
            clock[0] += pace


def test_the_limit_is_kept_and_places_come_back(clock):
    admission = Admission(limit=2, deadline=10)
    with ExitStack() as both:
        both.enter_context(admission.slot())
        both.enter_context(admission.slot())
        with pytest.raises(Refused, match="full"), admission.slot():
            pass
    assert admission.in_flight == 0
    with admission.slot():
        pass


def test_a_place_comes_back_where_answering_fails(clock):
    admission = Admission(limit=1, deadline=10)

    def fail():
        clock[0] += 0.5
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), admission.slot():
        fail()
    assert admission.in_flight == 0
    assert admission.pace == pytest.approx(0.5)


def test_the_pace_is_measured_and_who_would_be_late_is_refused(clock):
    admission = Admission(limit=1000, deadline=1)
    answer_steadily(admission, clock, pace=0.1)
    assert admission.pace == pytest.approx(0.1)

    with ExitStack() as waiting:
        for _ in range(10):
            waiting.enter_context(admission.slot())
        with pytest.raises(Refused, match="late"):
            check(admission)


@pytest.mark.parametrize("pace", [0.05, 0.4, 2.0])
def test_retry_after_is_true(clock, pace):
    """Whoever comes back after it finds a place, where answers go on at the measured pace."""
    admission = Admission(limit=8, deadline=6)
    answer_steadily(admission, clock, pace)
    with ExitStack() as waiting:
        places = []

        def fill():
            while True:
                place = admission.slot()
                waiting.enter_context(place)
                places.append(place)

        with pytest.raises(Refused) as refused:
            fill()
        answered = int(refused.value.retry_after / pace)
        assert answered >= 1
        for place in places[:answered]:
            clock[0] += pace
            place.__exit__(None, None, None)
        check(admission)
        waiting.pop_all()


def test_an_idle_model_takes_anybody_however_slow_it_was(clock):
    admission = Admission(limit=8, deadline=1)
    answer_steadily(admission, clock, pace=30, count=3)

    with admission.slot():
        with pytest.raises(Refused, match="late"):
            check(admission)
        clock[0] += 0.01
    for _ in range(2000):
        with admission.slot():
            clock[0] += 0.01
    assert admission.pace == pytest.approx(0.01, rel=0.1)


def test_behind_a_crowd_a_time_is_aimed_at(clock):
    """Few may wait for as long as the deadline is; beyond ALWAYS_ADMITTED only as long as the target."""
    admission = Admission(limit=1000, deadline=100, target=0.5)
    answer_steadily(admission, clock, pace=0.02)
    with ExitStack() as waiting:
        for _ in range(ALWAYS_ADMITTED):
            waiting.enter_context(admission.slot())
        with pytest.raises(Refused, match="late") as refused:
            check(admission)
        assert refused.value.retry_after == 1
        waiting.pop_all()

    quick = Admission(limit=1000, deadline=100, target=0.5)
    answer_steadily(quick, clock, pace=0.002)
    with ExitStack() as waiting:
        for _ in range(249):
            waiting.enter_context(quick.slot())
        check(quick)
        with pytest.raises(Refused, match="late"):
            raise quick.refusal(ahead=2)
