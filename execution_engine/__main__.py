"""`python -m execution_engine`: run the execution engine."""

from __future__ import annotations

from execution_engine.app import build_app
from shared.web.start import run_service

if __name__ == "__main__":
    run_service("execution_engine", build_app, lambda settings: settings.engine_port)
