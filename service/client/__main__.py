"""`python -m service.client`."""

import warnings

from PIL import Image

from service.client.commands import app

# A large picture is the service's to refuse.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
app(prog_name="python -m service.client")
