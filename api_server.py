"""Serve the HTTP API and run the workers: `python api_server.py --help`."""

import signal
import sys
import threading

import click

from otp_messaging_agent import IntelligentOTPAgent, log
from otp_messaging_agent.errors import AgentError
from otp_messaging_agent.web.server import CannotServe, serve


@click.command()
@click.option("--config", help="The configuration file; default config.json, where there is one.")
@click.option("--data-dir", default="data", show_default=True, help="Where the store lies.")
@click.option("--host", help="Default: server.host of the configuration.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: server.port.")
def main(config: str | None, data_dir: str, host: str | None, port: int | None) -> None:
    """Serve the HTTP API and run the workers."""
    stop = threading.Event()

    def ask(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)  # asked twice, it ends at once

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    try:
        agent = IntelligentOTPAgent(config, data_dir)
        log.configure(agent.config.log.level)
        at = agent.config.server
        serve(agent, host or at.host, at.port if port is None else port, stop=stop)
    except (AgentError, CannotServe) as e:
        click.echo(str(e), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
