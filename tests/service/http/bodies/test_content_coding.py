"""Compressed bodies: what was compressed comes out, and never more than a request may have."""

import asyncio
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Malformed, Overloaded, TooLarge, UnsupportedCoding
from service.http.bodies.content_coding import decoded
from service.http.bodies.upload_budget import UploadBudget

MB = 2**20
BODY = bytes(range(256)) * 5000


def decode(body, coding, limit=8 * MB, budget=8 * MB):
    with UploadBudget(budget).reserve(limit) as reservation:
        return asyncio.run(decoded(body, coding, reservation)), reservation.used


@given(st.binary(max_size=10_000))
def test_what_was_compressed_comes_out(body):
    assert decode(gzip.compress(body), b"gzip") == (body, len(body))
    assert decode(zlib.compress(body), b"deflate") == (body, len(body))


@pytest.mark.parametrize("coding", [b"", b"identity", b" Identity "])
def test_no_coding(coding):
    assert decode(BODY, coding) == (BODY, 0)


@pytest.mark.parametrize("coding", [b"x-gzip", b"GZIP"])
def test_other_names_of_gzip(coding):
    assert decode(gzip.compress(BODY), coding)[0] == BODY


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, gzip"])
def test_other_codings_are_refused(coding):
    with pytest.raises(UnsupportedCoding) as refused:
        decode(BODY, coding)
    assert refused.value.headers == {"Accept-Encoding": "gzip, deflate"}


def test_a_bomb_is_inflated_no_further_than_its_limit():
    bomb = gzip.compress(bytes(100 * MB))
    with UploadBudget(200 * MB).reserve(2 * MB) as reservation:
        with pytest.raises(TooLarge):
            asyncio.run(decoded(bomb, b"gzip", reservation))
        assert reservation.used <= 2 * MB


def test_what_comes_out_counts_against_the_budget():
    with pytest.raises(Overloaded):
        decode(gzip.compress(bytes(4 * MB)), b"gzip", budget=2 * MB)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "breaks off"),
        (gzip.compress(BODY)[:-9], "breaks off"),
        (gzip.compress(BODY)[:-4] + b"1234", "not what its"),
        (BODY, "not what its"),
        (zlib.compress(BODY), "not what its"),
        (gzip.compress(BODY) + b"more", "follows"),
        (gzip.compress(BODY) + bytes(MB), "follows"),
    ],
    ids=["empty", "cut", "other-length", "plain", "deflate", "more", "much-more"],
)
def test_broken_streams_are_refused(body, said):
    with pytest.raises(Malformed, match=said):
        decode(body, b"gzip")


def test_the_loop_turns_meanwhile():
    async def scenario():
        turns = 0

        async def turn():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        with UploadBudget(64 * MB).reserve(64 * MB) as reservation:
            await decoded(gzip.compress(bytes(32 * MB)), b"gzip", reservation)
        turning.cancel()
        return turns

    assert asyncio.run(scenario()) >= 32
