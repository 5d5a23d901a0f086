"""What a successful call returns, as a person would see it in the first minute."""

from typing import Any

REQUEST_ID = "9f8e7d6c"

SOURCE = {"model": "digits-cnn", "version": "3e2c9e32d396", "request_id": REQUEST_ID}
PRICE_SOURCE = {"model": "cars-transfer", "version": "474d0410c253", "request_id": REQUEST_ID}

CLASS_FACTS: dict[str, Any] = {
    "label": "7",
    "probability": 0.9992,
    "probabilities": dict.fromkeys("0123456789", 0.0)
    | {"1": 0.0003, "2": 0.0001, "3": 0.0001, "7": 0.9992, "9": 0.0003},
    "familiar": True,
}

PRICE_FACTS = {
    "price": 35600.0,
    "low": 21400.0,
    "high": 59200.0,
    "coverage": 0.9,
    "currency": "USD",
    "basis": "list price when new",
    "familiar": True,
}

BROKEN = {
    "error": {
        "title": "Broken picture",
        "status": 422,
        "detail": "The picture breaks off or is broken. Save it again.",
    }
}

CLASS_ANSWER = SOURCE | CLASS_FACTS
PRICE_ANSWER = PRICE_SOURCE | PRICE_FACTS
CLASS_ANSWERS = SOURCE | {"answers": [CLASS_FACTS, BROKEN]}
PRICE_ANSWERS = PRICE_SOURCE | {"answers": [PRICE_FACTS, BROKEN]}

TRUTH = {"request_id": REQUEST_ID, "truth": "7"}

MODELS = {
    "models": [
        {
            "name": "digits-cnn",
            "version": "3e2c9e32d396",
            "summary": "One handwritten digit, by a small convolutional network.",
            "task": "classification",
            "labels": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
            "sha256": "7d3ae60c0fc096add418579b0e1d8c3c6f0a9e4d2b7f5a8091c2d3e4f5061728",
            "default": True,
            "device": "cpu",
            "reason": "",
            "drift": {},
        }
    ]
}

INDEX = [
    {"name": "digits-cnn", "version": "3e2c9e32d396", "state": "READY", "reason": ""},
    {"name": "digits-next", "version": "", "state": "UNAVAILABLE", "reason": "not loaded yet"},
]
