"""Rows of pictures: order, errors in place, and bounds, in all dialects alike."""

import base64
import json
from types import SimpleNamespace

import pytest

from service.http.bodies.body import RequestHead
from service.protocols import rows
from tests.support.clients.in_process import ask, post
from tests.support.http_calls import PNG
from tests.support.images import pictures

B64 = base64.b64encode(PNG).decode()
FOUR = base64.b64encode(pictures.encoded(pictures.digit(4))).decode()
PREDICT = "/v1/models/digits-mlp:predict"
ROUTES = {"aip_predict_route": "/predict", "aip_health_route": "/health-of-vertex"}

DIALECTS = {
    "kserve": (PREDICT, lambda items: {"instances": items}),
    "kserve columns": (PREDICT, lambda items: {"inputs": {"image": items}}),
    "kserve examples": ("/v1/models/digits-mlp:classify", lambda items: {"examples": items}),
    "vertex": ("/predict", lambda items: {"instances": items}),
    "sagemaker and mlflow": ("/invocations", lambda items: {"instances": items}),
    "mlflow inputs": ("/invocations", lambda items: {"inputs": items}),
    "mlflow records": ("/invocations", lambda items: {"dataframe_records": items}),
    "mlflow split": (
        "/invocations",
        lambda items: {
            "dataframe_split": {
                "columns": ["image"],
                "data": [[item] for item in items] if isinstance(items, list) else items,
            }
        },
    ),
}


@pytest.fixture(scope="module")
def answered(zoo):
    """Per dialect: the answers to each of several lists of items, by one application."""
    lists = {
        "good": [FOUR, B64],
        "mixed": [B64, 7, "%%%", "https://example.org/7.png", "Zm9v", FOUR, None],
        "empty": [],
        "no list": 5,
        "text": "junk!",
        "too many": [B64] * 257,
        "very many": [0] * 10**6,
    }
    requests = {
        (dialect, name): post(path, json=body(items))
        for dialect, (path, body) in DIALECTS.items()
        for name, items in lists.items()
    }
    responses = ask(zoo, *requests.values(), default_classifier="digits-mlp", **ROUTES)
    return SimpleNamespace(**{"of": dict(zip(requests, responses, strict=True)).get})


def rows_in(response):
    body = response.raise_for_status().json()
    return next(body[name] for name in ("predictions", "outputs", "results") if name in body)


def label_of(row):
    return row["label"] if isinstance(row, dict) else row[0][0]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_order_is_kept(answered, dialect):
    assert [label_of(row) for row in rows_in(answered.of((dialect, "good")))] == ["4", "7"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_bad_item_spoils_only_itself(answered, dialect):
    found = rows_in(answered.of((dialect, "mixed")))

    assert [label_of(found[0]), label_of(found[5])] == ["7", "4"]
    assert [found[index]["error"]["status"] for index in (1, 2, 3, 4, 6)] == [400, 400, 400, 415, 400]
    assert set(found[1]["error"]) == {"title", "status", "detail"}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("name", "status"),
    [("empty", 400), ("no list", 400), ("text", 400), ("too many", 413), ("very many", 413)],
)
def test_how_many(answered, dialect, name, status):
    if dialect in ("kserve columns", "mlflow inputs") and name in ("no list", "text"):
        # One value stands for a list of one in columns.
        assert rows_in(answered.of((dialect, name)))[0]["error"]["status"] == 400
        return
    response = answered.of((dialect, name))

    assert response.status_code == status
    assert "picture" in response.text


def test_as_many_as_one_request_takes(zoo):
    (response,) = ask(zoo, post(PREDICT, json={"instances": [B64] * 256}))

    assert [label_of(row) for row in rows_in(response)] == ["7"] * 256


HOSTILE = {
    "nothing": b"",
    "no json": b"junk",
    "deep": b'{"instances":' + b"[" * 10_000,
    "deep item": b'{"instances": [' + b'{"image":' * 10_000 + b"1" + b"}" * 10_000 + b"]}",
    "nan": b'{"instances": [NaN]}',
    "not utf-8": b'{"instances": ["\xff\xfe"]}',
    "lone surrogate": b'{"instances": ["\\ud800"]}',
    "a list": b"[1]",
    "a string": b'"instances"',
    "null": b"null",
    "other members": b'{"images": ["Zm9v"]}',
    "lone surrogate as a name": b'{"\\udfff": 1}',
    "model is no text": b'{"instances": ["Zm9v"], "parameters": {"model": 5}, "params": {"model": 5}}',
    "parameters are no object": b'{"instances": ["Zm9v"], "parameters": [1], "params": [1]}',
    "unknown model": b'{"instances": ["Zm9v"], "parameters": {"model": "\\u0000"}, "params": {"model": "x"}}',
    "frame of nothing": b'{"dataframe_split": {}}',
    "frame without columns": b'{"dataframe_split": {"columns": [], "data": [[]]}}',
    "frame with wild columns": b'{"dataframe_split": {"columns": [{}, []], "data": [[1, 2]]}}',
    "frame without rows": b'{"dataframe_split": {"columns": ["image"], "data": {"a": 1}}}',
    "a million lists": b'{"instances": [[' + b"[]," * 10**6 + b"[]]]}",
    "columns without a picture": b'{"inputs": {"a": [1], "b": [2]}}',
}


def test_hostile_bodies(zoo):
    """Each is told so in the form of its dialect, with 4xx; none breaks anything."""
    paths = [PREDICT, "/v1/models/digits-mlp:classify", "/predict", "/invocations"]
    sagemaker = {"X-Amzn-SageMaker-Custom-Attributes": "a=b"}
    requests = {
        (path, name, attributes): post(
            path, content=body, headers={"Content-Type": "application/json", **attributes_of}
        )
        for name, body in HOSTILE.items()
        for path in paths
        for attributes, attributes_of in ((False, {}), (True, sagemaker))
    }
    responses = ask(zoo, *requests.values(), **ROUTES)
    fine = {"model is no text", "parameters are no object", "unknown model"}  # not looked at in some dialects
    for (path, name, attributes), response in zip(requests, responses, strict=True):
        case = (path, name, attributes, response.text)
        if response.status_code == 200:
            assert name in fine, case
            assert rows_in(response)[0]["error"]["status"] == 415, case
            continue
        assert 400 <= response.status_code < 500, case
        assert message_of(response), case


def message_of(response):
    """What a client of the dialect shows."""
    body = response.json()
    if "detail" in body:
        return body["detail"]
    if "error_code" in body:
        return body["message"]
    error = body["error"]
    return error if isinstance(error, str) else error["message"]


def test_frames_take_a_picture_from_its_column(zoo):
    frames = [
        {"columns": ["id", "image"], "data": [[1, B64], [2]], "index": [0, 1]},
        {"columns": [0], "data": [[B64], [B64, B64]]},
    ]
    for response in ask(zoo, *(post("/invocations", json={"dataframe_split": frame}) for frame in frames)):
        good, short = rows_in(response)
        assert good["label"] == "7"
        assert short["error"]["status"] == 400


def test_a_picture_in_a_row_has_the_bound_of_any_picture(zoo):
    body = {"instances": [base64.b64encode(PNG + bytes(10**6)).decode(), B64]}
    (response,) = ask(zoo, post(PREDICT, json=body), max_upload_bytes=10**6)

    large, small = rows_in(response)
    assert large["error"]["status"] == 413
    assert small["label"] == "7"


def test_a_body_has_the_bound_of_json(zoo):
    body = json.dumps({"instances": [B64] * 8})
    responses = ask(
        zoo, post(PREDICT, content=body), post("/predict", content=body), max_json_bytes=1000, **ROUTES
    )

    assert responses[0].status_code == 413
    # Not declared as JSON, so that the bound of a picture holds.
    assert responses[1].status_code == 200


def test_each_picture_counts_against_the_rate(zoo):
    body = {"instances": [B64] * 30}
    responses = ask(zoo, post(PREDICT, json=body), post(PREDICT, json=body), rate_limit=2)

    assert [response.status_code for response in responses] == [200, 429]
    assert int(responses[1].headers["Retry-After"]) >= 5


@pytest.mark.parametrize(
    ("head", "body", "json_is_it"),
    [
        (b"application/json", b"", True),
        (b"Application/JSON; charset=utf-8", b"x", True),
        (b"application/x-www-form-urlencoded", b' \n{"a": 1}', True),
        (b"image/png", PNG, False),
        (b"", b"", False),
    ],
)
def test_what_counts_as_json(head, body, json_is_it):
    assert rows.is_json(RequestHead({b"content-type": head}, b""), body) is json_is_it
