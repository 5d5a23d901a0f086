"""`python -m service.launch.healthcheck`: whether the service of this container is ready; exit code 0 or 1.

A container's HEALTHCHECK has the environment of the service, and finds its arguments in the first process.
"""

import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from service.launch.options import read_options
from service.launch.port import PortError

FIRST_PROCESS = Path("/proc/1/cmdline")
TIMEOUT_S = 4.0


def main() -> None:
    """Ask /readyz."""
    try:
        port = read_options(_arguments()).port
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=TIMEOUT_S):  # our own address
            pass
    except (OSError, URLError, PortError) as error:
        sys.exit(f"not ready: {error}")


def _arguments() -> list[str]:
    """What stands behind `-m service` in the command of the first process, which may be an init."""
    words = FIRST_PROCESS.read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
    return words[words.index("service") + 1 :] if "service" in words else []


if __name__ == "__main__":
    main()
