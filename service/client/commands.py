"""The commands: classify, price, feedback, models."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn, TypeVar

import httpx
import typer

from service.client.asking import Count, Question, ask_all
from service.client.connection import Connection, NoAnswer
from service.client.output import CsvRows, Format, JsonLines, Rows, Tables, print_table
from service.client.pictures import STANDARD_INPUT, find, read_standard_input
from service.client.progress import Progress

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the number of the signal."""

CLASS_COLUMNS = ("path", "label", "probability", "familiar", "model", "version", "request_id", "error")
PRICE_COLUMNS = ("path", "price", "low", "high", "currency", *CLASS_COLUMNS[3:])
NOT_IN_TABLES = {"version", "request_id"}
"""Too wide for a terminal; both are in the other formats."""

MODEL_COLUMNS = ("name", "task", "version", "default", "device")

Result = TypeVar("Result")

# Locals in a traceback would show the key.
app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _address(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise typer.BadParameter(str(error)) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise typer.BadParameter("an address begins with http:// or https://")
    return text


def _checked_key(text: str | None) -> str | None:
    if text and not (text.isascii() and text.isprintable() and text == text.strip()):
        raise typer.BadParameter(
            "a key is printable ASCII without spaces at its ends"
        )  # and is not repeated here
    return text or None


Paths = Annotated[list[str], typer.Argument(help="Pictures, folders of them, or - for standard input.")]
Url = Annotated[str, typer.Option(envvar="GLIMPSE_URL", callback=_address, help="Where the service is.")]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="GLIMPSE_API_KEY", callback=_checked_key, help="For services that ask for one; never printed."
    ),
]
Patience = Annotated[
    float, typer.Option(min=0, help="Seconds in all to wait for a service that answers nothing at all.")
]
Model = Annotated[str | None, typer.Option(help="A name that `models` lists; without one, the default.")]
Jobs = Annotated[int, typer.Option(min=1, max=256, help="Pictures that are sent at the same time.")]
MaxSide = Annotated[
    int | None, typer.Option(min=16, help="Shrink larger pictures to so many pixels before they are sent.")
]
Form = Annotated[
    Format | None,
    typer.Option("--format", help="A table on a terminal, JSON lines elsewhere.", show_default=False),
]

URL, PATIENCE, JOBS = "http://localhost:3000", 60.0, 8


@app.command()
def classify(
    paths: Paths,
    url: Url = URL,
    model: Model = None,
    jobs: Jobs = JOBS,
    max_side: MaxSide = None,
    output: Form = None,
    patience: Patience = PATIENCE,
    key: Key = None,
) -> None:
    """Print what is on each picture. Exits with 0 only if all were answered."""
    question = Question("classify", model, max_side)
    _ask(question, paths, CLASS_COLUMNS, output, url, key, jobs, patience)


@app.command()
def price(
    paths: Paths,
    url: Url = URL,
    model: Model = None,
    jobs: Jobs = JOBS,
    max_side: MaxSide = None,
    output: Form = None,
    patience: Patience = PATIENCE,
    key: Key = None,
) -> None:
    """Print what the car on each picture costs. Exits with 0 only if all were answered."""
    question = Question("price", model, max_side)
    _ask(question, paths, PRICE_COLUMNS, output, url, key, jobs, patience)


@app.command()
def feedback(
    request_id: str,
    truth: Annotated[str, typer.Argument(help="A label; with --price an amount.")],
    index: Annotated[int | None, typer.Option(min=0, help="Which picture of a batch is meant.")] = None,
    is_price: Annotated[bool, typer.Option("--price", help="The truth is a price, not a label.")] = False,
    url: Url = URL,
    patience: Patience = PATIENCE,
    key: Key = None,
) -> None:
    """Tell the service what was true of a picture that it answered."""
    value: str | float = truth
    if is_price:
        try:
            value = float(truth)
        except ValueError:
            raise typer.BadParameter("a price is a number", param_hint="TRUTH") from None
    body = {"request_id": request_id, "truth": value} | ({} if index is None else {"index": index})
    told = _ask_once(lambda connection: connection.request("POST", "feedback", json=body), url, key, patience)
    JsonLines().write(told)


@app.command()
def models(output: Form = None, url: Url = URL, patience: Patience = PATIENCE, key: Key = None) -> None:
    """Print the models that are served."""
    body = _ask_once(lambda connection: connection.request("GET", "models"), url, key, patience)
    cards = body.get("models") if isinstance(body, dict) else None
    if not isinstance(cards, list):
        _fail("Something else than Glimpse answered.")
    if (output or _default_format()) is Format.TABLE:
        print_table(MODEL_COLUMNS, cards)
        return
    rows: Rows = CsvRows(MODEL_COLUMNS) if output is Format.CSV else JsonLines()
    for card in cards:
        rows.write(card)


def _ask(
    question: Question,
    paths: list[str],
    columns: tuple[str, ...],
    output: Format | None,
    url: str,
    key: str | None,
    jobs: int,
    patience: float,
) -> None:
    output = output or _default_format()
    standard_input = read_standard_input() if STANDARD_INPUT in paths else None
    with_bar = output is Format.TABLE or not sys.stdout.isatty()
    total = sum(1 for _ in find(paths, standard_input)) if with_bar and sys.stderr.isatty() else None
    progress, count = Progress(total, with_bar), Count()
    rows: Rows
    if output is Format.TABLE:
        rows = Tables([name for name in columns if name not in NOT_IN_TABLES], progress.paused)
    else:
        rows = CsvRows(columns) if output is Format.CSV else JsonLines()

    async def asked() -> None:
        async with Connection(url, key, jobs, patience, progress.waiting) as connection:
            await ask_all(connection, question, find(paths, standard_input), jobs, rows, progress, count)

    interrupted = False
    with progress:
        try:
            asyncio.run(asked())
        except KeyboardInterrupt:
            interrupted = True
        rows.close()
    if interrupted:
        progress.say(f"Interrupted after {count.asked} pictures, {count.answered} of them answered.")
        raise typer.Exit(INTERRUPTED)
    if not count.asked:
        _fail("There are no pictures in these folders.")
    if count.first_error:
        missing = count.asked - count.answered
        progress.say(f"{missing} of {count.asked} pictures were not answered. {count.first_error}")
        raise typer.Exit(1)


def _ask_once(
    ask: Callable[[Connection], Awaitable[Result]], url: str, key: str | None, patience: float
) -> Result:
    with Progress(None, with_bar=False) as progress:

        async def asked() -> Result:
            async with Connection(url, key, 1, patience, progress.waiting) as connection:
                return await ask(connection)

        try:
            return asyncio.run(asked())
        except NoAnswer as error:
            _fail(str(error))
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


def _default_format() -> Format:
    return Format.TABLE if sys.stdout.isatty() else Format.JSONL


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(1)
