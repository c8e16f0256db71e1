"""Starts a service process: settings, logs, schema, HTTP server, and errors of the start as sentences."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import structlog
from fastapi import FastAPI

from shared.db.database import Database
from shared.db.migrate import upgrade
from shared.errors import ReportHubError
from shared.logs import configure_logs
from shared.settings import Settings, load_settings, unknown_variables
from shared.web.app import ServiceContext, serve

EX_CONFIG = 78
"""Exit status for a configuration that cannot be used (sysexits.h)."""


def run_service(name: str, build: Callable[[ServiceContext], FastAPI], port: Callable[[Settings], int]) -> None:
    """Run one service until SIGTERM; exits with 78 and one line per problem when it cannot start."""
    try:
        settings = load_settings()
        configure_logs(name, settings)
        for variable in unknown_variables(os.environ):
            structlog.get_logger().warning("this variable is no setting, nothing reads it", variable=variable)
        if settings.migrate:
            database = Database(settings.database)
            upgrade(database)
            database.close()
        context = ServiceContext.open(name, settings)
        app = build(context)
    except ReportHubError as error:
        print_problem(error)
        sys.exit(EX_CONFIG)
    serve(app, context, port(settings))


def print_problem(error: ReportHubError) -> None:
    """The error as lines on standard error."""
    lines = [error.message, *(f"  {problem.field}: {problem.message}" for problem in error.details)]
    if error.hint:
        lines.append(f"  {error.hint}")
    sys.stderr.write("\n".join(lines) + "\n")
