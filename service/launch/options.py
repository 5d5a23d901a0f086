"""What `python -m service` is told on its command line."""

import argparse
import os
from collections.abc import Sequence

from service.launch.port import ANNOUNCED, DEFAULT, SERVE, SERVE_PORT, default_port


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """word, host, port, check.

    Args:
        arguments: Without the program; None for those of this process.

    Raises:
        PortError: No port is told, and the platform's variable holds none.
    """
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve the models of the zoo.")
    parser.add_argument(
        "word", nargs="?", choices=[SERVE], help=f"as SageMaker starts an image: port {SERVE_PORT}"
    )
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all)")  # noqa: S104
    parser.add_argument("--port", type=int, help=f"default: {', '.join(ANNOUNCED)}, or {DEFAULT}")
    parser.add_argument("--check", action="store_true", help="open and verify everything, then end")
    options = parser.parse_args(arguments)
    if options.port is None:
        options.port = default_port(os.environ, options.word)
    return options
