"""The reading of keys that AWS keeps: the one importer of boto3 for them, run as a child process of its own.

`python -m app.auth.aws_child` reads its settings from the environment and writes one JSON line a source:
`{"source", "document"}`, or `{"source", "code", "detail"}` where it could not be read. With `--exit-with-parent` it
ends with its standard input.
"""

import json
import os
from collections.abc import Callable
from typing import Any

from app.server.child_process import exit_with_parent
from app.telemetry.redaction import redacted
from config import ALL_REGIONS, Settings, read_settings

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 5
ATTEMPTS = 2


class NoText(ValueError):
    """AWS's answer holds no text: a secret is bytes, or the answer none of AWS's."""


def parameter(clients: Callable[[str, str], Any], name: str) -> str:
    """Source: Systems Manager GetParameter, a String, StringList or SecureString."""
    answer = clients("ssm", name).get_parameter(Name=name, WithDecryption=True)
    return _text(answer.get("Parameter", {}).get("Value"))


def secret(clients: Callable[[str, str], Any], name: str) -> str:
    """Source: Secrets Manager GetSecretValue, the version staged AWSCURRENT."""
    answer = clients("secretsmanager", name).get_secret_value(SecretId=name)
    return _text(answer.get("SecretString"))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NoText("the answer holds no text; a secret must not be bytes")
    return value


READERS = {"API_KEYS_SSM_PARAMETER": parameter, "API_KEYS_SECRET_ID": secret}


def read_source(source: str, name: str, clients: Callable[[str, str], Any]) -> dict[str, str]:
    """One line's object; what goes wrong is a value."""
    from botocore.exceptions import ClientError

    try:
        return {"source": source, "document": READERS[source](clients, name)}
    except ClientError as error:
        code, detail = str(error.response["Error"].get("Code")), str(error.response["Error"].get("Message", ""))
    except Exception as error:  # noqa: BLE001 - an answer that is none of AWS's meets botocore's parsers unprepared.
        code, detail = type(error).__name__, str(error)
    return {"source": source, "code": code, "detail": redacted(detail)}


def client_maker(settings: Settings) -> Callable[[str, str], Any]:
    """A maker of clients, by service and by the name or ARN that they are for.

    An ARN names its region; else it is the SDK's default, else the first that Bedrock is asked in.
    """
    import boto3
    from botocore.config import Config

    session = boto3.Session(region_name=settings.aws_region or None)
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    bedrock = None if settings.regions == (ALL_REGIONS,) else settings.regions[0]

    def make(service: str, name: str) -> Any:
        named = name.split(":")[3] if name.startswith("arn:") and name.count(":") >= 5 else None
        region = named or settings.aws_region or bedrock or "us-east-1"
        return session.client(service, region_name=region, config=config)  # type: ignore[call-overload]

    return make


def main() -> None:
    exit_with_parent()
    settings = read_settings(os.environ)
    clients = client_maker(settings)
    for source, name in zip(READERS, (settings.api_keys_ssm_parameter, settings.api_keys_secret_id), strict=True):
        if name:
            print(json.dumps(read_source(source, name, clients)), flush=True)


if __name__ == "__main__":
    main()
