"""A catalog with an entry of every kind, and with every way to call one."""

from app.catalog.records import APPLICATION_PROFILES, INFERENCE_PROFILE, ON_DEMAND, PROFILES
from tests.support.builders import day, failure, listing, model, profile, snapshot

ACCOUNT = "123456789012"
OWN_ARN = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:application-inference-profile/abc123"

BOTH = model(
    "maker.both",
    name="Both",
    provider="Maker",
    input_modalities=("TEXT", "IMAGE"),
    response_streaming=True,
    inference_types=(INFERENCE_PROFILE, ON_DEMAND),
    start_of_life_at=day(9),
)
LISTINGS = (
    listing(
        "us-east-1",
        BOTH,
        profile("us.maker.both", {"maker.both": ("us-east-1", "us-west-2")}, name="US Both"),
        profile("global.maker.both", {"maker.both": ("global", "us-east-1")}),
        application_profiles=(
            profile(OWN_ARN, {"maker.both": ("us-east-1", "us-west-2")}, name="Team A", type="APPLICATION"),
        ),
    ),
    listing(
        "eu-west-1",
        model(
            "maker.both",
            name="Both",
            provider="Maker",
            response_streaming=False,
            inference_types=(INFERENCE_PROFILE,),
            start_of_life_at=day(9),
        ),
        model("maker.picture", output_modalities=("IMAGE",), start_of_life_at=day(8)),
        model("maker.ended", lifecycle_status="LEGACY", start_of_life_at=day(7), end_of_life_at=day(10)),
        profile("eu.maker.both", {"maker.both": ("eu-central-1", "eu-west-1")}, name="EU Both"),
        profile("global.maker.both", {"maker.both": ("eu-west-1", "global")}),
        application_profiles=(),
    ),
    # A policy without bedrock:ListInferenceProfiles.
    listing(
        "ap-south-1",
        model("maker.unknown", inference_types=(INFERENCE_PROFILE,), start_of_life_at=day(6)),
        without=(PROFILES,),
    ),
)
KINDS = snapshot(
    *LISTINGS,
    failures=tuple(failure("ap-south-1", part) for part in (PROFILES, APPLICATION_PROFILES)),
)
