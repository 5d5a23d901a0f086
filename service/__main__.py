"""`python -m service [options of bentoml serve]`: check everything once, then let BentoML serve.

BentoML restarts a worker that fails at its start over and over; here a bad setting, model file or
device ends the process with its reason and exit code 1.
"""

import logging
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from models.zoo import ZooError
from service.catalog import Catalog
from service.session import DeviceError
from service.settings import Settings


def main() -> None:
    logging.getLogger("service").setLevel(logging.ERROR)  # the worker will say it all again
    try:
        Catalog.open(Settings())
    except (ZooError, DeviceError) as error:
        sys.exit(f"error: {error}")
    except ValidationError as error:
        wrong = [f"GLIMPSE_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        sys.exit("error: " + "\n       ".join(wrong))
    bentoml = Path(sys.executable).with_name("bentoml")
    os.execv(bentoml, [str(bentoml), "serve", "service.service:Glimpse", *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    main()
