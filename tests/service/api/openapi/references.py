"""References inside an OpenAPI document."""


def resolved(document, part):
    """What a part of a document refers to, or the part itself."""
    while "$ref" in part:
        found = document
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        part = found
    return part
