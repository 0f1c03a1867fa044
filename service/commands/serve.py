"""`parley serve`: the REST service on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", show_default="8000")] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of the artifact to serve.", show_default="the one shipped with Parley"),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(help="Default policy of requests: a name or a YAML file.", show_default="default"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of the engine.", show_default="one for each core")
    ] = None,
    allow_anonymous: Annotated[
        bool, typer.Option("--allow-anonymous", help="Accept callers without an API key from any address.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(help="YAML settings file; see configs/service.yaml.", envvar="PARLEY_CONFIG"),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.", show_default="info")
    ] = None,
) -> None:
    """Serve the model over HTTP.

     POST /v1/classify labels comments; /docs shows it with examples to try; /health and /metrics are for
     operators.

    A flag overrides its PARLEY_* variable; a variable overrides the --config file.

     \b
         parley serve
         parley serve --port 9000 --policy strict
         parley keys create "our site" && parley serve --host 0.0.0.0
         PARLEY_LIMITS__COMMENTS=100 parley serve --config service.yaml

     Exit status: 0 after Ctrl+C, 1 when it can't start, 2 for settings that can't be used.
    """
    from parley.service.errors import PolicyError, SettingsError, StartError, StoreError
    from parley.service.settings.schema import Settings

    flags: dict[str, Any] = {"host": host, "port": port, "model": model}
    flags |= {"policy": policy, "threads": threads, "log_level": log_level}
    if allow_anonymous:
        flags["access"] = {"anonymous": True}
    try:
        settings = Settings.load(file=config, flags=flags)
        from parley.service.web.server import run

        run(settings)
    except (SettingsError, PolicyError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from error
    except (StartError, StoreError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
