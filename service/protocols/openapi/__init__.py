"""What /docs.json says of the protocols: a module for each, and one for what those that take rows share."""

from service.protocols.openapi import kserve, mlflow, open_inference, rows, vertex

SCHEMAS = rows.SCHEMAS | kserve.SCHEMAS | vertex.SCHEMAS | mlflow.SCHEMAS | open_inference.SCHEMAS
"""Components of the document, by name."""
