"""The stand-in itself, asked by real boto3 clients over real HTTP: a test server that lies would prove nothing."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.bedrock_standin import (
    ACCOUNT,
    APPLICATION_CALLS,
    REFUSALS,
    BedrockStandin,
    application_profile_row,
    profile_row,
    refusal_of,
)


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

    status, code, message = refusal_of(fault, "ListFoundationModels")
    answer = refused.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    assert answer["Error"]["Message"] == message
    assert (ACCOUNT in message) == (fault == "denied")


def test_a_region_it_does_not_have_is_not_opted_in(standin: BedrockStandin) -> None:
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        bedrock(standin, "ap-east-1").list_foundation_models()


def test_a_part_fails_by_itself_and_names_its_own_action(standin: BedrockStandin) -> None:
    standin["us-east-1"].faults["profiles"] = "denied"
    client = bedrock(standin)

    assert client.list_foundation_models()["modelSummaries"]
    assert client.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"] == []
    with pytest.raises(ClientError, match=r"perform: bedrock:ListInferenceProfiles because"):
        client.list_inference_profiles(typeEquals="SYSTEM_DEFINED")


def test_application_profiles_are_listed_where_that_type_is_wanted_alone(standin: BedrockStandin) -> None:
    row = application_profile_row("billing", "arn:aws:bedrock:us-east-1::foundation-model/a")
    standin["us-east-1"].application_profiles = [row]
    client = bedrock(standin)

    assert client.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"] == [row]
    assert row not in client.list_inference_profiles()["inferenceProfileSummaries"]
    assert standin.calls == {("us-east-1", APPLICATION_CALLS): 1, ("us-east-1", "ListInferenceProfiles"): 1}


def test_a_body_is_sent_for_its_part_alone(standin: BedrockStandin) -> None:
    standin["us-east-1"].bodies["models"] = b'{"message": "no listing"}'
    client = bedrock(standin)

    assert "modelSummaries" not in client.list_foundation_models()
    assert client.list_inference_profiles()["inferenceProfileSummaries"]
