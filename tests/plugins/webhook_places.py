"""The webhook deliverer, for its tests."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from deliverers.webhook import WebhookConfig, WebhookDeliverer


def deliverer(url: str, **changes: Any) -> WebhookDeliverer:
    changes["headers"] = {name: SecretStr(value) for name, value in changes.get("headers", {}).items()}
    for name in ("secret", "previous_secret"):
        if name in changes:
            changes[name] = SecretStr(changes[name])
    return WebhookDeliverer(WebhookConfig(url=url, **changes))
