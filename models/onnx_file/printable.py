"""Text from untrusted files, made safe for messages and terminals."""

MAX_CHARACTERS = 300


def printable(text: str | bytes) -> str:
    """The text on one line, without control characters, cut to MAX_CHARACTERS."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text[:1000]).split())
    return plain if len(plain) <= MAX_CHARACTERS else plain[:MAX_CHARACTERS] + "..."
