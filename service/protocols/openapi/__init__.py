"""What /docs.json says of the protocols that take rows: a module for each, and one for what they share."""

from service.protocols.openapi import kserve, mlflow, rows, vertex

SCHEMAS = rows.SCHEMAS | kserve.SCHEMAS | vertex.SCHEMAS | mlflow.SCHEMAS
"""Components of the document, by name."""
