"""The command line: `python -m otp_messaging_agent --help`. Each command's work lies elsewhere."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from . import replay as replaying
from .errors import AgentError


@dataclass(frozen=True, slots=True)
class Service:
    """Which service a command is about."""

    config: str | None
    data_dir: Path


@click.group()
@click.option("--config", help="The configuration file; default config.json, where there is one.")
@click.option("--data-dir", default="data", show_default=True, help="Where the store lies.")
@click.pass_context
def main(context: click.Context, config: str | None, data_dir: str) -> None:
    """Commands about a service, named by its configuration and data folder."""
    context.obj = Service(config, Path(data_dir))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say in words what went wrong, and exit with 2."""
    try:
        yield
    except AgentError as e:
        click.echo(str(e), err=True)
        sys.exit(2)


@main.command(short_help="Try other routing settings on what was sent.")
@click.option("--config", "changed", metavar="FILE", help="Settings to try; default: the same.")
@click.option("--since", default="7d", show_default=True, help="30m, 24h or 7d ago; 2026-11-01.")
@click.option("--until", help="The same; default: now.")
@click.option("--limit", default=100_000, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def replay(
    service: Service,
    *,
    changed: str | None,
    since: str,
    until: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Try other routing settings on the messages that were sent, and say what they would cost.

    Reads the store and changes nothing; a service may run over it.
    """
    with _told():
        asked = replaying.Asked(service.config, service.data_dir, changed, since, until, limit)
        result = replaying.run(asked)
        made = json.dumps(replaying.as_json(result), indent=2) if as_json else None
        click.echo(made or replaying.as_text(result))


if __name__ == "__main__":
    main(prog_name="python -m otp_messaging_agent")
