"""Small makers of records: a test names only what matters to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.catalog.merge import derive
from app.catalog.records import (
    ON_DEMAND,
    TEXT,
    CatalogSnapshot,
    CatalogState,
    FoundationModel,
    InferenceProfile,
    RegionListing,
)
from app.catalog.view import CatalogView, Scope

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = "test-key"


def day(number: int) -> datetime:
    """A release date: a higher number is more recent."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)


def model(model_id: str = "a", **changes: Any) -> FoundationModel:
    """An active text model that is callable on demand."""
    fields: dict[str, Any] = {
        "input_modalities": (TEXT,),
        "output_modalities": (TEXT,),
        "inference_types": (ON_DEMAND,),
        "lifecycle_status": "ACTIVE",
        "start_of_life_at": day(0),
    }
    return FoundationModel(id=model_id, **(fields | changes))


def profile(profile_id: str, *model_ids: str, status: str = "ACTIVE") -> InferenceProfile:
    return InferenceProfile(id=profile_id, status=status, model_ids=model_ids)


def listing(
    region: str, *rows: FoundationModel | InferenceProfile, at: datetime = NOW, **changes: Any
) -> RegionListing:
    return RegionListing(
        region=region,
        listed_at=at,
        models=tuple(row for row in rows if isinstance(row, FoundationModel)),
        profiles=tuple(row for row in rows if isinstance(row, InferenceProfile)),
        **changes,
    )


def snapshot(*listings: RegionListing, at: datetime = NOW, **changes: Any) -> CatalogSnapshot:
    state = CatalogState(source="aws", attempted_at=at, refreshed_at=at, changed_at=at, listings=listings, **changes)
    return derive(state, at=at)


def view(of: CatalogSnapshot, **scope: Any) -> CatalogView:
    return CatalogView(of, Scope(**scope))


def numbered(count: int, region: str = "us-east-1") -> CatalogSnapshot:
    """Models m0, m1, ... with m0 the most recent, all in one region."""
    return snapshot(
        listing(region, *(model(f"m{place}", start_of_life_at=day(count - place)) for place in range(count)))
    )
