"""The stand-in itself, asked by real boto3 clients over real HTTP: a test server that lies would prove nothing."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.bedrock_standin import ACCOUNT, REFUSALS, BedrockStandin, profile_row


@pytest.fixture
def standin() -> Iterator[BedrockStandin]:
    with BedrockStandin(["us-east-1", "eu-west-1"]) as running:
        yield running


def bedrock(standin: BedrockStandin, region: str = "us-east-1") -> Any:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=5)
    return boto3.client("bedrock", region_name=region, endpoint_url=standin.url, config=config)


def test_a_client_is_answered_for_the_region_that_it_signs_for(standin: BedrockStandin) -> None:
    rows = bedrock(standin, "eu-west-1").list_foundation_models()["modelSummaries"]

    assert "maker.only-eu-west-1-v1:0" in [row["modelId"] for row in rows]
    assert standin.calls == {("eu-west-1", "ListFoundationModels"): 1}


def test_profiles_come_in_pages(standin: BedrockStandin) -> None:
    standin["us-east-1"].profiles = [profile_row(f"us.{number}", "a") for number in range(25)]
    client = bedrock(standin)
    pages = list(client.get_paginator("list_inference_profiles").paginate(PaginationConfig={"PageSize": 10}))

    assert [len(page["inferenceProfileSummaries"]) for page in pages] == [10, 10, 5]
    assert standin.calls["us-east-1", "ListInferenceProfiles"] == 3


@pytest.mark.parametrize("fault", REFUSALS)
def test_a_refusal_is_the_error_that_aws_would_send(standin: BedrockStandin, fault: str) -> None:
    standin["us-east-1"].fault = fault
    with pytest.raises(ClientError) as refused:
        bedrock(standin).list_foundation_models()

    status, code, message = REFUSALS[fault]
    answer = refused.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    assert answer["Error"]["Message"] == message
    assert (ACCOUNT in message) == (fault == "denied")


def test_a_region_it_does_not_have_is_not_opted_in(standin: BedrockStandin) -> None:
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        bedrock(standin, "ap-east-1").list_foundation_models()
