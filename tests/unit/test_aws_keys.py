"""Keys that AWS keeps, as the child reads them and as the parent takes them."""

import io
import sys
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from app.auth import aws_child as aws_keys
from app.auth.aws_parent import read_aws_sources
from app.auth.key_sources import PARAMETER, SECRET
from config import Settings


def clients(service: str, name: str) -> Any:
    return boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", ["String", "StringList", "SecureString"])
def test_a_parameter_of_any_type_is_read_in_clear(kind: Any) -> None:
    boto3.client("ssm", region_name="us-east-1").put_parameter(Name="/keys", Value="a,ci:b", Type=kind)

    assert aws_keys.read_source(PARAMETER, "/keys", clients) == {"source": PARAMETER, "document": "a,ci:b"}


def test_a_secret_is_read_as_it_is_now() -> None:
    manager = boto3.client("secretsmanager", region_name="us-east-1")
    manager.create_secret(Name="keys", SecretString='{"ci": "old"}')
    manager.put_secret_value(SecretId="keys", SecretString='{"ci": "new"}')

    assert aws_keys.read_source(SECRET, "keys", clients)["document"] == '{"ci": "new"}'


def test_what_aws_does_not_give_is_a_value_with_its_code() -> None:
    boto3.client("secretsmanager", region_name="us-east-1").create_secret(Name="bytes", SecretBinary=b"a")

    assert aws_keys.read_source(PARAMETER, "/none", clients)["code"] == "ParameterNotFound"
    assert aws_keys.read_source(SECRET, "none", clients)["code"] == "ResourceNotFoundException"
    assert aws_keys.read_source(SECRET, "bytes", clients)["code"] == "NoText"


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b"\xff", b'{"Parameter": 1, "SecretString": 1}'])
def test_an_answer_that_is_not_of_aws_is_a_value_with_its_code(body: bytes) -> None:
    def answering(service: str, name: str) -> Any:
        made = clients(service, name)
        raw = HTTPResponse(io.BytesIO(body), preload_content=False)
        answer = AWSResponse("https://aws.example", 200, HTTPHeaders(), raw)
        made.meta.events.register_first("before-send", lambda **_: answer)
        return made

    for source in (PARAMETER, SECRET):
        assert aws_keys.read_source(source, "keys", answering)["code"]


def test_an_arn_is_asked_for_in_its_own_region() -> None:
    make = aws_keys.client_maker(Settings(regions=("eu-west-1",)))

    arn = "arn:aws:secretsmanager:ap-south-1:123456789012:secret:keys-AbCdEf"
    assert make("secretsmanager", arn).meta.region_name == "ap-south-1"
    assert make("secretsmanager", "keys").meta.region_name == "eu-west-1"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import time; time.sleep(60)", "no answer before the deadline"),
        ("print('nonsense')", "no source"),
        ("raise SystemExit('a reason')", "status 1: a reason"),
        ("pass", "without a result"),
    ],
)
def test_a_child_that_fails_is_a_source_that_fails(code: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.aws_parent.TIMEOUT_S", 1.0)
    read = read_aws_sources(
        Settings(api_keys_secret_id="keys"), stopping=lambda: False, command=(sys.executable, "-c", code)
    )

    assert reason in str(read[SECRET])
