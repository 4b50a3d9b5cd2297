"""From any name a client uses for a model to its entry."""

import pytest

from app.catalog.lookup import find_model
from tests.support.builders import listing, model, profile, snapshot, view

CATALOG = snapshot(
    listing(
        "us-east-1",
        model("maker.a-v1:0"),
        model("maker.a-v1:0:200k"),
        model("maker.b"),
        profile("us.maker.a-v1:0", "maker.a-v1:0"),
        profile("global.maker.b", "maker.b"),
        profile("us.maker.gone", "maker.gone"),
        profile("us.maker.b", "maker.b", status="DELETING"),
    )
)


def found(name: str) -> str | None:
    model = find_model(view(CATALOG), name)
    return None if model is None else model.id


@pytest.mark.parametrize(
    "name",
    [
        "maker.a-v1:0",
        "us.maker.a-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/maker.a-v1:0",
        "arn:aws:bedrock:::foundation-model/maker.a-v1:0",
        "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/maker.a-v1:0",
        "arn:aws-cn:bedrock:cn-north-1::foundation-model/maker.a-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.maker.a-v1:0",
        "arn:aws-us-gov:bedrock:us-gov-east-1:123456789012:inference-profile/us.maker.a-v1:0",
        "maker.a-v1:0[1m]",
        "us.maker.a-v1:0[1m]",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.maker.a-v1:0[1m]",
    ],
)
def test_every_name_of_a_model_finds_it(name: str) -> None:
    assert found(name) == "maker.a-v1:0"


def test_an_id_that_begins_like_another_is_its_own() -> None:
    assert found("maker.a-v1:0:200k") == "maker.a-v1:0:200k"
    assert found("arn:aws:bedrock:us-east-1::foundation-model/maker.a-v1:0:200k") == "maker.a-v1:0:200k"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "maker.a",
        "MAKER.A-V1:0",
        "maker.a-v1:0 ",
        "maker.a-v1:0[1m][1m]",
        "[1m]",
        "[1m]maker.b",
        # A profile that is being deleted, or routes to nothing that is listed, is no name.
        "us.maker.b",
        "us.maker.gone",
        # The two kinds of ARN each name their own kind.
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/maker.b",
        "arn:aws:bedrock:us-east-1::foundation-model/global.maker.b",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/maker.b",
        "arn:aws:s3:us-east-1::foundation-model/maker.b",
        "arn:aws:bedrock:us-east-1:12345:foundation-model/maker.b",
        "arn:gcp:bedrock:us-east-1::foundation-model/maker.b",
        "arn:aws:bedrock:us-east-1::foundation-model/",
        "xarn:aws:bedrock:us-east-1::foundation-model/maker.b",
        "maker.b\n",
        "maker.b\x00",
        "\ud800",
        "x" * 100_000,
    ],
)
def test_what_is_no_name_of_a_model_finds_nothing(name: str) -> None:
    assert found(name) is None


def test_the_answer_does_not_depend_on_the_account_in_an_arn() -> None:
    for account in ("000000000000", "123456789012", "999999999999"):
        assert found(f"arn:aws:bedrock:us-east-1:{account}:inference-profile/global.maker.b") == "maker.b"


def test_an_id_that_ends_in_the_suffix_is_found_as_it_stands() -> None:
    catalog = snapshot(listing("us-east-1", model("maker.a"), model("maker.a[1m]")))

    model_found = find_model(view(catalog), "maker.a[1m]")

    assert model_found is not None and model_found.id == "maker.a[1m]"


def test_a_model_goes_before_a_profile_of_the_same_id() -> None:
    catalog = snapshot(listing("us-east-1", model("x"), model("y"), profile("x", "y")))

    model_found = find_model(view(catalog), "x")

    assert model_found is not None and model_found.id == "x"


def test_a_profile_of_several_models_stands_for_the_first_in_list_order() -> None:
    catalog = snapshot(listing("us-east-1", model("b"), model("a"), profile("us.both", "b", "a")))

    model_found = find_model(view(catalog), "us.both")

    assert model_found is not None and model_found.id == "a"
