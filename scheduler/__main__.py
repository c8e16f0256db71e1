"""`python -m scheduler`: run the scheduler."""

from __future__ import annotations

from scheduler.app import build_app
from shared.web.start import run_service

if __name__ == "__main__":
    run_service("scheduler", build_app, lambda settings: settings.scheduler_port)
