"""`python -m config_api`: run the configuration API."""

from __future__ import annotations

from config_api.app import build_app
from shared.web.start import run_service

if __name__ == "__main__":
    run_service("config_api", build_app, lambda settings: settings.config_port)
