"""Every setting, from the environment or a ``.env`` file in the working directory."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from platformdirs import user_state_path
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from console.failure import Failure, UsageFailure


class Settings(BaseSettings):
    """One field a setting; the environment name is the alias."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    home: Path = Field(default_factory=lambda: user_state_path("harness"), alias="HARNESS_HOME")
    """Where the ledger, the deployed copies and the logs live."""
    database_url: str | None = Field(None, alias="HARNESS_DATABASE_URL")
    """The ledger; SQLite in the home by default, or postgresql://…."""
    brain: Literal["auto", "claude", "runbook"] = Field("auto", alias="HARNESS_BRAIN")
    """Who decides the next step; auto is claude when a key or a base URL is set, else runbook (rules, no model)."""
    mode: Literal["observe", "supervised", "autonomous"] | None = Field(None, alias="HARNESS_MODE")
    """The mode set at start; empty keeps the one last chosen (supervised in a new home)."""
    model: str = Field("claude-sonnet-5-5", alias="HARNESS_MODEL")
    """The model of the claude brain."""
    summary_model: str = Field("claude-haiku-5-5", alias="HARNESS_SUMMARY_MODEL")
    """The model that writes one-line step summaries for the claude brain."""
    service_port: int = Field(8001, ge=0, le=65535, alias="HARNESS_SERVICE_PORT")
    """Port of the managed rate limiter; 0 takes any free one."""
    api_port: int = Field(8787, ge=0, le=65535, alias="HARNESS_API_PORT")
    """Port of the harness's own HTTP API; reserved until that is built."""
    approval_ttl_seconds: float = Field(900.0, gt=0, le=86400, alias="HARNESS_APPROVAL_TTL_SECONDS")
    """How long an approval waits for a person before it expires, never to run."""
    traffic_rps: float = Field(4.0, ge=0, le=200, alias="HARNESS_TRAFFIC_RPS")
    """Background requests per second to the managed service; 0 switches them off."""
    anthropic_api_key: SecretStr | None = Field(None, alias="ANTHROPIC_API_KEY")
    """Key for Claude."""
    anthropic_base_url: str | None = Field(None, alias="ANTHROPIC_BASE_URL")
    """Another endpoint that speaks the Messages API."""
    prometheus_url: str | None = Field(None, alias="PROMETHEUS_URL")
    """Prometheus to read from."""
    prometheus_username: str | None = Field(None, alias="PROMETHEUS_USERNAME")
    """Basic-auth user for Prometheus (Grafana Cloud: the instance id)."""
    grafana_api_token: SecretStr | None = Field(None, alias="GRAFANA_API_TOKEN")
    """Token for Grafana Cloud's Prometheus and Loki."""
    loki_url: str | None = Field(None, alias="LOKI_URL")
    """Loki to read logs from."""
    loki_username: str | None = Field(None, alias="LOKI_USERNAME")
    """Basic-auth user for Loki."""

    @property
    def wants_claude(self) -> bool:
        """Whether the claude brain is chosen, by name or by what is configured."""
        if self.brain == "auto":
            return self.anthropic_api_key is not None or self.anthropic_base_url is not None
        return self.brain == "claude"

    @property
    def ledger_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'ledger.db'}"


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        UsageFailure: a value is not acceptable; names the setting, what is wrong and what is accepted.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        raise UsageFailure(
            f"{name}={first['input']!r} is not accepted: {first['msg']}; correct it in the environment or .env"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f".env cannot be read: {error}") from None
    try:
        home = settings.home.expanduser().absolute()
    except RuntimeError:
        raise UsageFailure(f"HARNESS_HOME={str(settings.home)!r} names a user that is not there") from None
    return settings.model_copy(update={"home": home})
