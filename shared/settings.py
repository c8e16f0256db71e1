"""Every setting of Report Hub, with its default and a sentence. Environment: `REPORT_HUB_<NAME>`, or a `.env` file.

Each may come from a file instead: `REPORT_HUB_SECRET_KEY_FILE=/run/secrets/key`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared.db.database import parse_database_url
from shared.errors import FieldProblem, InvalidInput
from shared.network import NetworkPolicy
from shared.setting_sources import PREFIX, Duration, FileVariables, Grace, Unreadable

__all__ = ["PREFIX", "Settings", "SettingsError", "load_settings"]

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


_READ_ELSEWHERE = ("API_KEY", "CRASH_AT", "SET_UP_DONE")
"""By the command line, by tests, by run_all.py."""


class SettingsError(InvalidInput):
    """The configuration cannot be used; `details` names every setting that is wrong."""

    code = "INVALID_SETTINGS"


class Settings(BaseSettings):
    """Read once at the start of a process. Durations are seconds or ISO 8601 (`PT30S`)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data_dir: Path = Field(Path(".hub"), description="Folder of the embedded database, artifacts, workspaces and key.")
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the shared database; default: SQLite in the data folder."
    )
    migrate: bool = Field(True, description="Bring the database to the newest schema at start.")
    secret_key: SecretStr | None = Field(
        None, description="Key that encrypts stored secrets (32+ characters); default: a 0600 file in the data folder."
    )
    bootstrap_api_key: SecretStr | None = Field(
        None, description="Admin API key of the default tenant that exists from the first start (32+ characters)."
    )
    allowed_folders: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Roots, separated by ':', for file datasources and local_folder deliveries."
    )
    allowed_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="CIDRs, separated by ',', that outgoing connections may reach although they are private."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Host headers that are answered besides loopback names, separated by ','."
    )

    require_secret_references: bool = Field(
        False, description="Refuse secrets as values in configurations: only env:NAME and file:PATH are kept."
    )

    host: str = Field("127.0.0.1", description="Address that the services listen on.")
    config_port: int = Field(8080, ge=0, le=65535, description="Port of the configuration API.")
    engine_port: int = Field(8000, ge=0, le=65535, description="Port of the execution engine.")
    scheduler_port: int = Field(8001, ge=0, le=65535, description="Port of the scheduler.")
    engine_url: str | None = Field(None, description="Where the engine answers; default: this host and engine_port.")
    public_url: str | None = Field(None, description="Where people reach the configuration API; used in links.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, else JSON.")

    engine_slots: int = Field(4, ge=1, le=256, description="Executions that one engine runs at once.")
    delivery_slots: int = Field(4, ge=1, le=256, description="Delivery attempts that one engine makes at once.")
    lease: Duration = Field(timedelta(seconds=60), description="How long a claim holds without a heartbeat.")
    heartbeat: Duration = Field(timedelta(seconds=10), description="How often a claim is renewed.")
    poll: Duration = Field(timedelta(seconds=1), description="How often the engine looks for work it was not told of.")
    tick: Duration = Field(timedelta(seconds=1), description="How often the scheduler looks for due schedules.")
    shutdown_grace: Grace = Field(
        timedelta(seconds=20), description="After SIGTERM, executions may finish this long; then they are handed back."
    )
    max_attempts: int = Field(3, ge=1, le=20, description="How often a lost or interrupted execution is started.")
    default_timeout: Duration = Field(timedelta(hours=1), description="Time limit of a report that names none.")
    max_timeout: Duration = Field(timedelta(hours=12), description="Longest time limit a report may ask for.")
    max_row_limit: int = Field(100_000_000, ge=1, description="Largest row limit a report may ask for.")
    worker_memory_mb: int = Field(2048, ge=128, description="Memory that one execution may add before it is ended.")
    preview_rows: int = Field(200, ge=1, le=10_000, description="Rows of a preview.")
    preview_timeout: Duration = Field(timedelta(seconds=30), description="Time limit of previews and checks.")
    artifact_retention: Duration = Field(timedelta(days=30), description="How long artifacts are kept.")
    history_retention: Duration = Field(timedelta(days=365), description="How long ended executions are kept.")
    delivery_timeout: Duration = Field(timedelta(minutes=5), description="Time limit of one delivery attempt.")
    max_body_bytes: int = Field(4 << 20, ge=1024, description="Largest request body.")
    dispatch: str = Field("local", description="Who runs executions: local. (Brokers come with a later version.)")

    @field_validator("allowed_folders", mode="before")
    @classmethod
    def _split_folders(cls, value: Any) -> Any:
        return tuple(Path(part) for part in value.split(":") if part) if isinstance(value, str) else value

    @field_validator("allowed_networks", "allowed_hosts", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            try:
                ipaddress.ip_network(part)
            except ValueError:
                raise ValueError("each entry must be a network such as 10.0.0.0/8 or fd00::/8") from None
        return value

    @field_validator("secret_key", "bootstrap_api_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _refuse_weak(value.get_secret_value())
        return value

    @field_validator("database_url")
    @classmethod
    def _supported_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                parse_database_url(value.get_secret_value())
            except InvalidInput as error:
                raise ValueError(" ".join(filter(None, (error.message, error.hint)))) from None
        return value

    @field_validator("dispatch")
    @classmethod
    def _known_dispatch(cls, value: str) -> str:
        if value != "local":
            raise ValueError("this version runs executions with 'local' only")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _readable_file(cls, value: Any) -> Any:
        if isinstance(value, Unreadable):
            raise ValueError(str(value))
        return value

    @model_validator(mode="after")
    def _safe_address(self) -> Settings:
        if self.host not in _LOOPBACK and self.bootstrap_api_key is None:
            raise ValueError(
                f"without credentials the services listen on loopback only: set {PREFIX}BOOTSTRAP_API_KEY, "
                f"or {PREFIX}HOST=127.0.0.1"
            )
        if self.heartbeat * 3 > self.lease:
            raise ValueError("heartbeat must be at most a third of lease")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, FileVariables(settings_cls), dotenv_settings

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the shared database."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.absolute() / 'report_hub.sqlite'}"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Roots for files that users may name; default: `files` inside the data folder."""
        return self.allowed_folders or (self.data_dir.absolute() / "files",)

    @property
    def own_paths(self) -> tuple[Path, ...]:
        """Files and folders that belong to the services; no datasource and no delivery may name them."""
        data = self.data_dir.absolute()
        own = [data / name for name in ("artifacts", "workspaces", "logs", "secret.key")]
        scheme, _, file = self.database.partition(":///")
        if scheme.startswith("sqlite"):
            own += [Path(file + ending).absolute() for ending in ("", "-wal", "-shm", "-journal")]
        return tuple(own)

    @property
    def network_policy(self) -> NetworkPolicy:
        return NetworkPolicy(tuple(ipaddress.ip_network(network) for network in self.allowed_networks))

    @property
    def engine_address(self) -> str:
        return (self.engine_url or f"http://127.0.0.1:{self.engine_port}").rstrip("/")

    @property
    def is_open(self) -> bool:
        """True when no credentials are configured: loopback only, everybody is admin of the default tenant."""
        return self.bootstrap_api_key is None


def _refuse_weak(value: str) -> None:
    if len(value) < 32:
        raise ValueError("must have at least 32 characters")
    if len(set(value)) < 8 or "changeme" in value.lower() or "example" in value.lower():
        raise ValueError("looks like a sample; make one with: openssl rand -hex 32")


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read all settings.

    Raises:
        SettingsError: naming all settings that are wrong at once, by their variable's name.
    """
    try:
        return Settings(**dict(overrides or {}))
    except ValidationError as error:
        problems = [
            FieldProblem(
                ".".join([f"{PREFIX}{str(item['loc'][0]).upper()}", *map(str, item["loc"][1:])])
                if item["loc"]
                else "settings",
                _reason(item),
            )
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("The settings cannot be used.", details=problems) from None


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that nothing reads: most likely misspelt."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known} | {f"{PREFIX}{name}" for name in _READ_ELSEWHERE}
    families = tuple(f"{PREFIX}{name}" for name in ("SECRET_", "TEST_", "BENCH_"))
    return sorted(
        name for name in environment if name.startswith(PREFIX) and name not in known and not name.startswith(families)
    )


def _reason(item: Any) -> str:
    if item["type"].startswith("time_delta"):
        return "must be a duration: seconds (30) or ISO 8601 (PT30S)"
    return str(item["msg"]).removeprefix("Value error, ")
