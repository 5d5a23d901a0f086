"""Endpoints that share a path: which of them answers, in whose form, and who may ask."""

import asyncio

import pytest
from starlette.responses import Response

from service.errors import Malformed
from service.http.bodies.body import RequestHead
from service.http.endpoint import Endpoint, shared


def endpoint(name, methods=("POST",), **options):
    async def respond(scope, head, receive):
        if b"fail" in head.headers:
            raise Malformed(name)
        return Response(name)

    def render(problem, request_id):
        return Response(f"{name} says {problem.detail}", problem.status)

    return Endpoint("/shared", methods, respond, render=render, **options)


def has_mark(head):
    return b"mark" in head.headers


def never(head):
    return False


def answer(one, method="POST", **headers):
    head = RequestHead({name.encode(): b"" for name in headers}, b"")
    return bytes(asyncio.run(one.respond({"method": method}, head, None)).body).decode()


def test_one_alone_is_itself():
    alone = endpoint("alone")

    assert shared([alone]) is alone


def test_the_first_that_takes_a_request_answers_it():
    both = shared([endpoint("rest"), endpoint("marked", takes=has_mark)])

    assert answer(both, mark=1) == "marked"
    assert answer(both) == "rest"


def test_the_last_answers_what_none_takes():
    both = shared([endpoint("marked", takes=has_mark), endpoint("last", takes=never)])

    assert answer(both) == "last"


def test_methods_are_those_of_all():
    both = shared([endpoint("page", ("GET",)), endpoint("call")])

    assert set(both.methods) == {"GET", "POST"}
    assert [answer(both, method) for method in ("GET", "POST")] == ["page", "call"]


def test_errors_have_the_form_of_the_one_that_raised():
    both = shared([endpoint("rest"), endpoint("marked", takes=has_mark)])

    assert answer(both, fail=1) == "rest says rest"
    assert answer(both, fail=1, mark=1) == "marked says marked"


@pytest.mark.parametrize(("is_open", "open_together"), [((True, True), True), ((True, False), False)])
def test_a_key_is_needed_where_any_of_them_needs_one(is_open, open_together):
    one, two = (endpoint(str(number), takes=has_mark, is_open=is_open[number]) for number in (0, 1))

    assert shared([one, two]).is_open is open_together


def test_two_that_want_everything_are_a_mistake():
    with pytest.raises(ValueError, match="two endpoints at /shared"):
        shared([endpoint("one"), endpoint("two")])
