"""Fixtures for all tests. None of them reaches AWS: moto stands in front of every boto3 call that is not stubbed."""

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from moto import mock_aws
from werkzeug.test import TestResponse

from app import create_app
from app.catalog.current import Catalog
from app.catalog.snapshot import CatalogSnapshot
from config import Settings
from tests.support.builders import KEY, listing, model, snapshot

# How quick an example is says something of the machine's load, nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# What a developer's shell may hold and a test must not see.
OURS = (
    "AWS_",
    "API_KEYS",
    "AUTH_DISABLED",
    "CATALOG_",
    "ANTHROPIC_",
    "OPENAI_",
    "TRUSTED_",
    "WEB_",
    "BIND",
    "LOG_",
    "ACCESS_",
    "CORS_",
    "PROMETHEUS_",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def fence(clean_environment: None) -> Iterator[None]:
    with mock_aws():
        yield


MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """An app over a given snapshot (None for none), with any setting, the clock or the discovery changed."""

    def make(
        snapshot: CatalogSnapshot | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
        discover: Any = None,
        **changes: Any,
    ) -> Flask:
        fields: dict[str, Any] = {"api_keys": (KEY,), "catalog_dir": tmp_path / "catalog"}
        app = create_app(Settings(**(fields | changes)), catalog=Catalog(snapshot), clock=clock, discover=discover)
        app.testing = True
        return app

    return make


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(snapshot(listing("us-east-1", model("a"), model("b"))))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client with a valid key."""
    return client_of(app)


def client_of(app: Flask, key: str | None = KEY) -> FlaskClient:
    client = app.test_client()
    if key is not None:
        client.environ_base["HTTP_X_API_KEY"] = key
    return client


def json_of(response: TestResponse) -> Any:
    """The body of an answer that must be JSON."""
    assert response.is_json, response.text
    return response.json


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs takes root: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
