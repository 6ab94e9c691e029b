"""What sending costs: a table of list prices, one CSV file, which an operator's own can replace.

The one that ships (prices.csv) is for comparing countries and channels, not for invoices: most of
its SMS prices are one retailer's of codes, in whole cents; Email is SES; WhatsApp is the fee of a
provider, to which Meta adds its own by template and country.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import phonenumbers
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from . import faults
from .errors import ConfigError
from .message import Channel

SHIPPED = Path(__file__).with_name("prices.csv")
ANY = "*"

_BILLED = {
    Channel.SMS: ("part", "message"),
    Channel.WHATSAPP: ("message",),
    Channel.CALL: ("call", "minute"),
    Channel.EMAIL: ("message",),
}
_ALWAYS = ("part", "message", "call", "minute")


def _like(pattern: str, allowed: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(allowed)
        return text

    return AfterValidator(check)


def _country(code: str) -> str:
    if code != ANY and code not in phonenumbers.SUPPORTED_REGIONS:
        msg = "must be * or an ISO 3166-1 alpha-2 code of a country with telephones, e.g. GB"
        raise ValueError(msg)
    return code


def _money(text: object) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", str(text)):
        msg = "must be a number such as 0.0083"
        raise ValueError(msg)
    return float(str(text))


def _day(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        msg = "must be a date such as 2026-01-31"
        raise ValueError(msg) from None


class Price(BaseModel):
    """One row. price: money in `currency` for one `per`; provider and country: `*` is any.

    source: where the price was read, as_of: the day it says of itself, else the day it was read.
    """

    model_config = ConfigDict(frozen=True)

    channel: Channel
    provider: Annotated[str, _like(r"\*|[\w.-]+", "must be * or a provider's name")]
    country: Annotated[str, AfterValidator(_country)]
    price: Annotated[float, BeforeValidator(_money)]
    per: Literal["part", "message", "call", "minute"]
    currency: Annotated[str, _like(r"[A-Z]{3}", "must be an ISO 4217 code such as USD")]
    source: Annotated[str, Field(min_length=1)]
    as_of: Annotated[date, BeforeValidator(_day)]

    @field_validator("per", mode="before")
    @classmethod
    def _is_billed_so(cls, per: str, info: ValidationInfo) -> str:
        billed = _BILLED.get(info.data.get("channel", ""), _ALWAYS)
        if per not in billed:
            msg = "must be " + " or ".join(billed)
            raise ValueError(msg)
        return per


_COLUMNS = tuple(Price.model_fields)


class Prices:
    """The table, all of it in one currency."""

    def __init__(self, rows: Iterable[Price]) -> None:
        self._rows = {(p.channel, p.provider, p.country): p for p in rows}

    def of(self, channel: Channel, provider: str, country: str | None) -> Price | None:
        """Return the price that says most of this case, None where the table has none.

        The provider's own before that of any, and for this country before that for any.
        country: ISO 3166-1 alpha-2, None where the recipient has none.
        """
        for of in (provider, ANY):
            for to in (country or ANY, ANY):
                found = self._rows.get((channel, of, to))
                if found is not None:
                    return found
        return None


def load(path: Path = SHIPPED) -> Prices:
    """Return the table of a CSV file with a header; ConfigError names every fault by its line."""
    wrong: list[str] = []
    lines: dict[tuple[Channel, str, str], int] = {}
    prices: list[Price] = []
    for line, fields in _rows(path, wrong):
        try:
            price = Price.model_validate(fields)
        except ValidationError as e:
            found = faults.invalid(e).faults
            wrong += [f"{path}: line {line}: {f.loc[0]}: {f.msg}" for f in found]
            continue
        first = lines.setdefault((price.channel, price.provider, price.country), line)
        prices.append(price)
        if first != line:
            wrong.append(f"{path}: line {line}: prices the same case as line {first}")
        elif price.currency != prices[0].currency:
            msg = f"currency: must be {prices[0].currency} as in the rows before: they are compared"
            wrong.append(f"{path}: line {line}: {msg}")
    if wrong:
        raise ConfigError(wrong)
    return Prices(prices)


def _rows(path: Path, wrong: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Return each row that has all fields, with its line; what is no row goes to *wrong*."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            if sorted(header) != sorted(_COLUMNS):
                wrong.append(f"{path}: line 1: must name the columns {','.join(_COLUMNS)}")
                return
            try:
                for row in rows:
                    if len(row) == len(header):
                        yield rows.line_num, dict(zip(header, row, strict=True))
                    elif row:
                        msg = f"must have {len(header)} fields, as the header"
                        wrong.append(f"{path}: line {rows.line_num}: {msg}")
            except csv.Error:
                wrong.append(f"{path}: line {rows.line_num}: must be CSV")
    except OSError as e:
        wrong.append(f"{path}: cannot be read: {e.strerror}")
    except (UnicodeError, csv.Error) as e:
        wrong.append(f"{path}: must be a CSV file in UTF-8 ({type(e).__name__})")
