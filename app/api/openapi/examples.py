"""The small catalog that the examples of responses are made of."""

from datetime import UTC, datetime

from app.catalog.entries import DEPRECATED
from app.catalog.event_changes import REMOVED
from app.catalog.records import (
    INFERENCE_PROFILE,
    MODELS,
    ON_DEMAND,
    PROFILES,
    TEXT,
    CatalogEvent,
    CatalogState,
    FoundationModel,
    InferenceProfile,
    Invocation,
    LifeStage,
    ModelFacts,
    PartFailure,
    PartListing,
)
from app.catalog.scope import Scope
from app.catalog.snapshot import build_snapshot
from app.catalog.view import CatalogView

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MODEL_ID = "anthropic.claude-haiku-4-5-20251001-v1:0"

EXAMPLE_ROW = FoundationModel(
    id=MODEL_ID,
    name="Claude Haiku 4.5",
    provider="Anthropic",
    input_modalities=(TEXT, "IMAGE"),
    output_modalities=(TEXT,),
    response_streaming=True,
    inference_types=(ON_DEMAND, INFERENCE_PROFILE),
    lifecycle_status="ACTIVE",
    start_of_life_at=datetime(2025, 10, 15, tzinfo=UTC),
)
EXAMPLE_PROFILE = InferenceProfile(
    id=f"us.{MODEL_ID}",
    name="US Anthropic Claude Haiku 4.5",
    type="SYSTEM_DEFINED",
    status="ACTIVE",
    models=((MODEL_ID, ("us-east-1", "us-east-2", "us-west-2")),),
)
EXAMPLE_SNAPSHOT = build_snapshot(
    CatalogState(
        source="aws",
        attempted_at=AT,
        events=(
            CatalogEvent(
                id="1795348800000-00000",
                at=AT,
                type=REMOVED,
                model_id="anthropic.claude-instant-v1",
                name="Claude Instant",
                provider="Anthropic",
                before=ModelFacts(
                    invocations=(Invocation(kind=ON_DEMAND, regions=("us-east-1",)),),
                    stages=(LifeStage(regions=("us-east-1",), lifecycle=DEPRECATED),),
                ),
            ),
        ),
        refreshed_at=AT,
        changed_at=AT,
        regions=("us-east-1", "eu-west-1"),
        listings=(
            PartListing(region="us-east-1", part=MODELS, listed_at=AT, rows=(EXAMPLE_ROW,), duration_ms=412),
            PartListing(region="us-east-1", part=PROFILES, listed_at=AT, rows=(EXAMPLE_PROFILE,), duration_ms=188),
        ),
        failures=(
            PartFailure(
                region="eu-west-1",
                part=MODELS,
                failed_at=AT,
                code="AccessDeniedException",
                action="bedrock:ListFoundationModels",
                duration_ms=96,
            ),
        ),
    ),
    at=AT,
)
EXAMPLE_VIEW = CatalogView(EXAMPLE_SNAPSHOT, Scope())
