"""Every setting of the service, read once in each process from the environment (prefix GLIMPSE_)."""

import re
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.image.decode import FORMATS, MAX_PIXELS, Format
from models.model import ZOO, find_model_files
from service.cores import usable_cores

ROOT_PATH = r"^((/[\w.~-]+)+)?$"


class SettingsError(Exception):
    """A variable of the environment that cannot be used; the message names it."""


Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


def _split(text: object) -> object:
    return [one.strip() for one in text.split(",") if one.strip()] if isinstance(text, str) else text


CommaSeparated = (NoDecode, BeforeValidator(_split))
"""Not JSON, which pydantic-settings expects of lists."""

Keys = Annotated[tuple[Annotated[SecretStr, Field(min_length=16)], ...], *CommaSeparated]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s,]+)$")]
Origins = Annotated[tuple[Origin, ...], *CommaSeparated]
RootPath = Annotated[str, Field(pattern=ROOT_PATH)]
Protocol = Literal["kserve", "vertex", "sagemaker", "mlflow", "open-inference", "hugging-face"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
Protocols = Annotated[tuple[Protocol, ...], *CommaSeparated]
Formats = Annotated[tuple[Format, ...], Field(min_length=1), *CommaSeparated]
Route = Annotated[str, Field(pattern=r"^(/[^\s{}?#]*)?$")]
"""A path, or nothing."""

SAGEMAKER_MODELS = Path("/opt/ml/model")
"""Where SageMaker unpacks the model.tar.gz of a model, read-only."""


class Settings(BaseSettings):
    """GLIMPSE_DEVICE=cpu and so on. Raises pydantic.ValidationError, naming the wrong variable."""

    model_config = SettingsConfigDict(env_prefix="GLIMPSE_", frozen=True, validate_by_name=True)

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """cuda: without a working CUDA provider the service does not start. auto: the CPU then."""

    models_dir: Path = ZOO
    """A folder of .onnx files with cards; all of them are served."""

    watch_models: bool = True
    """Scan models_dir once a second: a new file is verified and replaces the old one, a file that is gone is
    unloaded."""

    model_control: bool = False
    """Answer POST /v2/repository/models/NAME/load and /unload."""

    default_classifier: str = "digits-cnn"
    default_regressor: str = "cars-transfer"
    """The model where a request names none; the first of its kind if there is no such file."""

    max_upload_bytes: Positive = 32 * 2**20
    """Of one picture, and of the body of a request with one."""

    max_batch_bytes: Positive = 256 * 2**20
    """Of the body of a request with many pictures."""

    max_json_bytes: Positive = 64 * 2**20
    """Of the body of a request that carries its pictures as JSON."""

    max_held_bytes: Positive = 512 * 2**20
    """Of all bodies that arrive or are in work; a request beyond it gets 503."""

    max_connections: Positive = 10_000
    """Open at once, as far as the system's limit of open files allows; a connection beyond it gets 503 and is
    closed. Far more than requests in work: refusing a request costs less than refusing a connection."""

    head_seconds: Seconds = 10
    body_seconds: Seconds = 60
    """How long a head, and a body, may take to arrive; then the client gets 408."""

    drain_seconds: Annotated[float, Field(ge=0)] = 1
    """From SIGTERM until connections are refused: the time for load balancers to see that /readyz is 503."""

    protocols: Protocols = PROTOCOLS
    """Foreign protocols that are answered, separated by commas: all of these, fewer, or none."""

    aip_predict_route: Route = Field("", validation_alias="AIP_PREDICT_ROUTE")
    aip_health_route: Route = Field("", validation_alias="AIP_HEALTH_ROUTE")
    """Paths at which Vertex AI is answered, which it sets itself, without the prefix."""

    aip_storage_uri: str = Field("", validation_alias="AIP_STORAGE_URI")
    """Set by Vertex AI: where the files of its model lie. A local folder is served where models_dir is not
    set; anything else ends the start, as nothing is ever fetched."""

    api_keys: Keys = ()
    """Separated by commas, each of 16 characters at least. Any of them opens everything; the page and the
    probes need none. Without keys everything is open."""

    rate_limit: Annotated[float, Field(ge=0)] = 0
    """Pictures per second of one client, ten seconds' worth at once; above it a client gets 429. 0: any."""

    trusted_proxies: str = ""
    """Addresses, separated by commas, whose X-Forwarded-For is believed when clients are counted."""

    root_path: RootPath = ""
    """The path under which a proxy shows the service, such as /glimpse; the proxy may remove it or leave it
    there. A trusted proxy may say another in X-Forwarded-Prefix."""

    cors_origins: Origins = ()
    """Origins of other sites whose pages may ask, separated by commas (https://shop.example), or *."""

    max_pixels: Positive = MAX_PIXELS
    """Of one picture, read from its header before it is decoded."""

    formats: Formats = FORMATS
    """Of pictures that are opened, separated by commas: all of these, or fewer."""

    max_batch_size: Positive = 64
    """Pictures in one run of a model."""

    queue_limit: Positive = 512
    """Pictures in flight to one model; beyond it a request gets 503 with Retry-After."""

    deadline_ms: Positive = 10_000
    """Of one picture. A miss that can be predicted gets 503 with Retry-After; a picture that has waited this
    long all the same gets 504 and is not computed any more."""

    target_ms: Positive = 500
    """That one more picture may wait behind others, if they are more than a few; beyond it a request gets 503
    with Retry-After. A burst is absorbed, a queue that stays is not."""

    batch_seconds: Seconds = 30
    """How long one run of a model may take; then its pictures get 504."""

    decoders: Positive = min(usable_cores(), 4)
    """Threads of each worker that decode large pictures."""

    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that answer on the one port. 0: one for each core; one where a GPU computes, and where
    processes cannot be forked."""

    log_format: Literal["text", "json"] = "text"
    """json: one JSON object on each line."""

    log_requests: bool = False
    """One log line for each request, with its id, status and milliseconds."""

    prediction_log: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = None
    """A folder for one JSON line per answered picture, and what POST /feedback says; unset, none is written.
    Pictures are not kept in it."""

    prediction_log_bytes: Positive = 64 * 2**20
    """Size at which a file of the prediction log is full, and the next one begins."""

    prediction_log_files: Positive = 5
    """Full files that each worker keeps; older ones are deleted."""

    log_pictures: bool = False
    """Keep the uploads too, beside the prediction log."""

    log_pictures_bytes: Positive = 2**30
    """Of all uploads that are kept; beyond it no more are."""

    @field_validator("log_pictures")
    @classmethod
    def _needs_prediction_log(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("prediction_log") is None:
            raise ValueError("pictures are kept beside the prediction log; set GLIMPSE_PREDICTION_LOG too")
        return value


def is_root_path(text: str) -> bool:
    """Whether a text may stand for `root_path`."""
    return re.fullmatch(ROOT_PATH, text, re.ASCII) is not None


def read_settings(serve: bool = False) -> Settings:
    """The settings of this process, from its environment.

    Args:
        serve: Whether it was started as `serve`, as SageMaker does: its folder of models is then served, if
            there are any in it and models_dir is not set.

    Raises:
        SettingsError: A variable is wrong; the message says which, and what is wrong with it.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = [f"{_variable('.'.join(map(str, e['loc'])))}: {e['msg']}" for e in error.errors()]
        raise SettingsError("\n       ".join(wrong)) from None
    folder = None if "models_dir" in settings.model_fields_set else _platform_models(settings, serve)
    return settings.model_copy(update={"models_dir": folder}) if folder else settings


def _variable(name: str) -> str:
    return name if name.startswith("AIP_") else f"GLIMPSE_{name.upper()}"


def _platform_models(settings: Settings, serve: bool) -> Path | None:
    """The folder of models that the platform has laid out; None where it has none. Raises SettingsError."""
    if "vertex" in settings.protocols and settings.aip_storage_uri:
        folder = settings.aip_storage_uri.removeprefix("file://")
        if "://" in folder:
            raise SettingsError(
                f"AIP_STORAGE_URI: {folder} is not fetched. Build the models into the image, or mount them,"
                " and set GLIMPSE_MODELS_DIR; or upload the model without an artifact URI."
            )
        return Path(folder)
    if serve and "sagemaker" in settings.protocols and SAGEMAKER_MODELS.is_dir():
        return SAGEMAKER_MODELS if find_model_files(SAGEMAKER_MODELS) else None
    return None
