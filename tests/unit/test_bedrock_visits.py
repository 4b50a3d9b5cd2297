"""What a visit to a region makes of each part: botocore's stub stands in for the answers."""

import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from app.catalog.parts import OWN_PARTS
from app.catalog.parts import PARTS as PARTS_BY_NAME
from app.catalog.records import (
    APPLICATION_PROFILES,
    DEPLOYMENTS,
    MANTLE,
    MODELS,
    PROFILES,
    PROVISIONED,
    AccountModel,
    FoundationModel,
    InferenceProfile,
    PartFailure,
    PartListing,
    PartResult,
)
from app.discovery import bedrock
from app.discovery.bedrock import CALLS, BedrockSource, NoBedrockRegions, visit_part
from app.discovery.connections import Connections
from app.discovery.mantle import NotAsked
from app.telemetry.redaction import redacted
from config import PARTS, PROJECT_PARTS, Settings, listed_parts
from tests.support.bedrock_standin import ACCOUNT, account_row, model_row, profile_row

EAST, WEST = "us-east-1", "us-west-2"
TYPES = {PROFILES: "SYSTEM_DEFINED", APPLICATION_PROFILES: "APPLICATION"}

# Those that boto3 lists for the account.
ACCOUNT_CALLS = tuple(part for part in CALLS if part not in PROJECT_PARTS)


def answering(part: str, *pages: list[dict[str, Any]]) -> Callable[[], Any]:
    """A maker of a client that answers the part's call with these rows, page by page."""
    client = boto3.client("bedrock", region_name=EAST)
    stub = Stubber(client)
    for number, page in enumerate(pages):
        arguments: dict[str, Any] = {} if part == MODELS else {"maxResults": 1000}
        arguments |= {"typeEquals": TYPES[part]} if part in TYPES else {}
        answer: dict[str, Any] = {CALLS[part].rows: page}
        if number:
            arguments["nextToken"] = str(number)
        if number + 1 < len(pages):
            answer["nextToken"] = str(number + 1)
        stub.add_response(CALLS[part].operation, answer, arguments)
    stub.activate()
    return lambda: client


def refusing(part: str, code: str, message: str = "no") -> Callable[[], Any]:
    client = boto3.client("bedrock", region_name=EAST)
    stub = Stubber(client)
    stub.add_client_error(CALLS[part].operation, code, message, 403)
    stub.activate()
    return lambda: client


def wait_until(holds: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + 20
    while not holds() and time.monotonic() < give_up:
        time.sleep(0.01)
    return holds()


def raising(error: Exception) -> Callable[[], Any]:
    def make() -> Any:
        raise error

    return make


def failure(client: Callable[[], Any], part: str = MODELS) -> PartFailure:
    result = visit_part(client, EAST, part)
    assert isinstance(result, PartFailure)
    return result


def test_every_part_that_can_be_configured_has_its_call() -> None:
    assert {*CALLS, MANTLE} == {*listed_parts(PARTS), *PROJECT_PARTS} == set(PARTS_BY_NAME)


@pytest.mark.parametrize("part", OWN_PARTS)
def test_what_the_account_made_comes_from_every_page(part: str) -> None:
    pages = [account_row(part, "a")], [account_row(part, "b"), account_row(part, "a")]
    result = visit_part(answering(part, *pages), EAST, part)

    assert isinstance(result, PartListing)
    assert [row.name for row in result.rows if isinstance(row, AccountModel)] == ["a", "b"]
    assert (result.skipped_rows, result.unread_fields) == (0, 0)


def test_an_optional_part_without_an_end_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bedrock, "MAX_OPTIONAL_ROWS", 1)
    pages = [account_row(PROVISIONED, "a")], [account_row(PROVISIONED, "b")], [account_row(PROVISIONED, "c")]

    assert failure(answering(PROVISIONED, *pages), PROVISIONED).code == "Malformed"


def test_a_region_that_mantle_is_not_asked_in_has_none_and_no_failure() -> None:
    result = visit_part(raising(NotAsked()), EAST, MANTLE)

    assert isinstance(result, PartListing)
    assert (result.rows, result.is_offered) == ((), False)


@pytest.mark.parametrize("part", ACCOUNT_CALLS)
def test_a_part_that_is_not_permitted_names_the_action_of_its_row_in_the_table(part: str) -> None:
    message = f"User is not authorized to perform: {PARTS_BY_NAME[part].action}"

    assert failure(refusing(part, "AccessDeniedException", message), part).action == PARTS_BY_NAME[part].action


@pytest.mark.parametrize(
    ("part", "code", "is_offered"),
    [
        *((part, "UnknownOperationException", False) for part in OWN_PARTS),
        (PROVISIONED, "AccessDeniedException", False),
        (DEPLOYMENTS, "AccessDeniedException", True),
        (PROVISIONED, "ThrottlingException", True),
        (MODELS, "UnknownOperationException", True),
    ],
)
def test_a_part_that_a_region_does_not_have_is_none_of_it_there(part: str, code: str, is_offered: bool) -> None:
    result = visit_part(refusing(part, code, "Your account is not authorized."), EAST, part)

    assert isinstance(result, PartFailure) is is_offered
    assert is_offered or (isinstance(result, PartListing) and result.rows == ())


def test_optional_parts_take_the_places_that_base_parts_leave() -> None:
    connections = Connections(3, base_calls=2)
    began: list[str] = []
    base_ends, all_ends = threading.Event(), threading.Event()

    def call(name: str, ends: threading.Event) -> None:
        with connections.open(is_base=name == "base"):
            began.append(name)
            ends.wait(20)

    threads = [threading.Thread(target=call, args=("optional", all_ends)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: began == ["optional"])
    for _ in range(2):
        threads.append(threading.Thread(target=call, args=("base", base_ends)))
        threads[-1].start()
    assert wait_until(lambda: began == ["optional", "base", "base"])
    base_ends.set()
    assert wait_until(lambda: began == ["optional", "base", "base", "optional", "optional"])
    all_ends.set()
    for thread in threads:
        thread.join(20)

    assert began.count("optional") == 4


def test_models_come_in_one_answer() -> None:
    result = visit_part(answering(MODELS, [model_row("a"), model_row("b")]), EAST, MODELS)

    assert isinstance(result, PartListing)
    assert (result.region, result.part) == (EAST, MODELS)
    assert [row.id for row in result.rows if isinstance(row, FoundationModel)] == ["a", "b"]


@pytest.mark.parametrize("part", [PROFILES, APPLICATION_PROFILES])
def test_profiles_come_from_every_page_of_their_type(part: str) -> None:
    pages = [profile_row("us.a", "a")], [profile_row("us.b", "b"), profile_row("us.a", "twice")]
    result = visit_part(answering(part, *pages), EAST, part)

    assert isinstance(result, PartListing)
    assert [row.models for row in result.rows if isinstance(row, InferenceProfile)] == [
        (("a", (EAST,)),),
        (("b", (EAST,)),),
    ]


def test_a_part_of_no_rows_is_a_listing() -> None:
    assert isinstance(visit_part(answering(PROFILES, []), EAST, PROFILES), PartListing)


@pytest.mark.parametrize(
    ("part", "action"),
    [
        (MODELS, "bedrock:ListFoundationModels"),
        (PROFILES, "bedrock:ListInferenceProfiles"),
        (APPLICATION_PROFILES, "bedrock:ListInferenceProfiles"),
    ],
)
def test_a_missing_permission_names_the_action_that_is_missing(part: str, action: str) -> None:
    denied = failure(refusing(part, "AccessDeniedException"), part)

    assert (denied.code, denied.action, denied.part) == ("AccessDeniedException", action, part)


def test_a_role_that_may_not_be_assumed_names_the_action_that_is_missing() -> None:
    denied = failure(raising(ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")))

    assert (denied.code, denied.action) == ("AccessDenied", "sts:AssumeRole")


@pytest.mark.parametrize("code", ["ThrottlingException", "ExpiredTokenException", "UnrecognizedClientException"])
def test_another_error_names_no_action(code: str) -> None:
    refused = failure(refusing(MODELS, code))

    assert (refused.code, refused.action) == (code, "")


@pytest.mark.parametrize("code", ["", "two words", "x" * 81, "<script>"])
def test_a_code_that_does_not_look_like_one_is_not_passed_on(code: str) -> None:
    assert failure(refusing(MODELS, code)).code == "ClientError"


def test_an_error_of_aws_keeps_its_text_without_identities() -> None:
    text = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/Reader/i-0 is not authorized, AKIAIOSFODNN7EXAMPLE of {ACCOUNT}"
    detail = failure(refusing(MODELS, "AccessDeniedException", text)).detail

    assert "is not authorized" in detail and "[redacted]" in detail
    assert not {ACCOUNT, "Reader", "AKIAIOSFODNN7EXAMPLE"} & set(detail.replace("/", " ").split())


@pytest.mark.parametrize("secret", [ACCOUNT, f"arn:aws-cn:iam::{ACCOUNT}:role/x", "ASIAIOSFODNN7EXAMPLE"])
def test_identities_are_redacted_wherever_they_stand(secret: str) -> None:
    assert secret not in redacted(f"({secret}) {secret}, {secret}")


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (ValueError(f"Invalid endpoint: bedrock.{ACCOUNT}"), "ValueError", "Invalid endpoint: bedrock.[redacted]"),
        (FileNotFoundError(2, "No such file", "/run/token"), "FileNotFoundError", "No such file: '/run/token'"),
        (EndpointConnectionError(endpoint_url="https://x"), "EndpointConnectionError", "Could not connect"),
        (ZeroDivisionError("a bug"), "ZeroDivisionError", "a bug"),
    ],
)
def test_whatever_a_visit_raises_is_a_failure_with_its_reason(error: Exception, code: str, detail: str) -> None:
    failed = failure(raising(error))

    assert failed.code == code
    assert detail in failed.detail


def test_a_bug_leaves_its_traceback_and_aws_own_errors_none(capsys: pytest.CaptureFixture[str]) -> None:
    failure(refusing(MODELS, "ThrottlingException"))
    assert capsys.readouterr().err == ""

    failure(raising(ZeroDivisionError()))
    assert "Traceback" in capsys.readouterr().err


def test_all_stands_for_every_region_of_the_default_regions_partition() -> None:
    commercial = BedrockSource(Settings(regions=("all",))).regions
    gov = BedrockSource(Settings(regions=("all",), aws_region="us-gov-west-1")).regions

    assert len(commercial) > 30 and EAST in commercial and "us-gov-west-1" not in commercial
    assert set(gov) == {"us-gov-east-1", "us-gov-west-1"}


def test_a_partition_without_bedrock_is_a_named_fault() -> None:
    with pytest.raises(NoBedrockRegions, match=r"^AWS_BEDROCK_REGIONS=all: .* partition aws-cn$"):
        BedrockSource(Settings(regions=("all",), aws_region="cn-north-1"))


def test_clients_are_built_with_the_sdks_own_timeouts_and_retries() -> None:
    config: Config = BedrockSource(Settings(regions=(EAST,), refresh_timeout_s=3)).client(EAST).meta.config

    assert (config.connect_timeout, config.read_timeout) == (3, 3)  # type: ignore[attr-defined]
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}  # type: ignore[attr-defined]


def test_a_part_that_hangs_keeps_no_other_part_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bedrock, "PART_HEAD_START_S", 0.01)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    others_came = threading.Event()
    order: list[str] = []

    def visit(client: Callable[[], Any], region: str, part: str, projects: tuple[str, ...]) -> PartResult:
        if part == MODELS:
            assert others_came.wait(20)
        return failure(raising(ZeroDivisionError()), part)

    def write(result: PartResult) -> None:
        order.append(result.part)
        if len(order) == len(ACCOUNT_CALLS) - 1:
            others_came.set()

    monkeypatch.setattr(bedrock, "visit_part", visit)
    BedrockSource(Settings(regions=(EAST,), parts=ACCOUNT_CALLS)).visit_all(write)

    assert order[0] == PROFILES and order[-1] == MODELS


def test_no_region_is_asked_to_list_access(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    asked: list[str] = []

    def visit(client: Callable[[], Any], region: str, part: str, projects: tuple[str, ...]) -> PartResult:
        asked.append(part)
        return failure(raising(ZeroDivisionError()), part)

    monkeypatch.setattr(bedrock, "visit_part", visit)
    BedrockSource(Settings(regions=(EAST,), parts=(MODELS, PROFILES, "access"))).visit_all(lambda result: None)

    assert asked == [MODELS, PROFILES]
