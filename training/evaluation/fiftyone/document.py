"""The document of a FiftyOne dataset: its name, its facts, and the type of each field of its samples."""

import hashlib
from collections.abc import Mapping
from typing import Any

VERSION = "1.0.0"
"""Of FiftyOne, whose form this is: later ones bring it up to date when they read it."""

FIELDS = "fiftyone.core.fields."

Document = dict[str, Any]
"""JSON as MongoDB's extended form has it."""

DOCUMENTS = {
    "ImageMetadata": (
        "fiftyone.core.metadata.ImageMetadata",
        {"size_bytes": "IntField", "mime_type": "StringField", "width": "IntField", "height": "IntField",
         "num_channels": "IntField"},
    ),
    "Classification": (
        "fiftyone.core.labels.Classification",
        {"id": "ObjectIdField", "tags": "ListField", "label": "StringField", "confidence": "FloatField",
         "logits": "VectorField"},
    ),
    "Regression": (
        "fiftyone.core.labels.Regression",
        {"id": "ObjectIdField", "tags": "ListField", "value": "FloatField", "confidence": "FloatField"},
    ),
}  # fmt: skip
"""FiftyOne's classes of values that have fields of their own."""

SIMPLE = {bool: "BooleanField", int: "IntField", float: "FloatField", list: "ListField"}


def object_id(key: str) -> Document:
    """An id of MongoDB: the same for the same key, where FiftyOne would draw one."""
    return {"$oid": hashlib.sha256(key.encode()).digest()[:12].hex()}


def draw(key: str) -> float:
    """The random number in [0, 1) by which FiftyOne shuffles; the same for the same key."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[-6:], "big") / 2**48


def dataset_document(name: str, facts: Mapping[str, Any], classes: list[str], sample: Document) -> Document:
    """The document of the dataset: its name, its facts, and the type of each field."""
    kinds = {"id": "ObjectIdField", "created_at": "DateTimeField", "last_modified_at": "DateTimeField",
             "_dataset_id": "ObjectIdField"}  # fmt: skip
    fields = [_field(field, kind) for field, kind in kinds.items()]
    fields += [_typed(field, value) for field, value in sample.items() if field != "_id"]
    empty: Document = {"frame_fields": [], "saved_views": [], "classes": {}, "mask_targets": {},
                    "default_mask_targets": {}, "skeletons": {}, "annotation_runs": {}, "brain_methods": {},
                    "evaluations": {}, "runs": {}, "tags": []}  # fmt: skip
    return {
        "_id": object_id(name),
        "name": name,
        "version": VERSION,
        "media_type": "image",
        "info": dict(facts),
        "default_classes": classes,
        "sample_fields": fields,
        **empty,
    }


def _typed(name: str, value: Any) -> Document:
    """The field that such a value is in; text, and facts that are unknown here, are strings."""
    if not isinstance(value, dict):
        return _field(name, SIMPLE.get(type(value), "StringField"))
    document, parts = DOCUMENTS[value["_cls"]]
    inner = [_field(part, kind) for part, kind in parts.items()]
    return _field(name, "EmbeddedDocumentField") | {"embedded_doc_type": document, "fields": inner}


def _field(name: str, kind: str) -> Document:
    return {
        "name": name,
        "ftype": FIELDS + kind,
        "embedded_doc_type": None,
        "subfield": FIELDS + "StringField" if kind == "ListField" else None,
        "fields": [],
        "db_field": "_id" if name == "id" else name,
        "description": None,
        "info": None,
    }
