"""Small makers of records: a test names only what matters to it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.catalog.cards import NO_CARDS, CardBook
from app.catalog.entries import INVOKE_ORDER
from app.catalog.records import (
    APPLICATION_PROFILES,
    BASE_PARTS,
    MANTLE,
    MODELS,
    ON_DEMAND,
    PROFILES,
    TEXT,
    CatalogState,
    FoundationModel,
    InferenceProfile,
    MantleModel,
    PartFailure,
    PartListing,
    Row,
)
from app.catalog.scope import Scope
from app.catalog.snapshot import CatalogSnapshot, build_snapshot
from app.catalog.view import CatalogView

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


def profile(
    profile_id: str, *models: str | Mapping[str, Iterable[str]], status: str | None = "ACTIVE", **changes: Any
) -> InferenceProfile:
    """A profile that routes to the models: ids, or `{id: destinations}` where these matter."""
    routes: dict[str, tuple[str, ...]] = {}
    for it in models:
        routes |= {it: ()} if isinstance(it, str) else {name: tuple(sorted(places)) for name, places in it.items()}
    fields: dict[str, Any] = {"type": "SYSTEM_DEFINED", "status": status, "models": tuple(routes.items())}
    return InferenceProfile(id=profile_id, **(fields | changes))


def listing(
    region: str,
    *rows: Row,
    at: datetime = NOW,
    without: Collection[str] = (),
    application_profiles: Iterable[InferenceProfile] | None = None,
    mantle: Iterable[str | MantleModel] | None = None,
    **changes: Any,
) -> tuple[PartListing, ...]:
    """What a region lists, a listing a part.

    Args:
        without: the parts that were never listed.
        application_profiles: those of the account, where they are asked for.
        mantle: the models on Mantle, or their ids, where that is asked.
        changes: other fields of each part's listing.
    """
    parts: dict[str, tuple[Row, ...]] = {
        MODELS: tuple(row for row in rows if isinstance(row, FoundationModel)),
        PROFILES: tuple(row for row in rows if isinstance(row, InferenceProfile)),
    }
    if application_profiles is not None:
        parts[APPLICATION_PROFILES] = tuple(application_profiles)
    if mantle is not None:
        parts[MANTLE] = tuple(MantleModel(id=it) if isinstance(it, str) else it for it in mantle)
    return tuple(
        PartListing(region=region, part=part, listed_at=at, rows=found, **changes)
        for part, found in parts.items()
        if part not in without
    )


def failure(
    region: str, part: str = MODELS, code: str = "AccessDeniedException", *, at: datetime = NOW, **changes: Any
) -> PartFailure:
    return PartFailure(region=region, part=part, failed_at=at, code=code, **changes)


def failures(region: str, code: str = "AccessDeniedException", **changes: Any) -> tuple[PartFailure, ...]:
    """A region of which no part could be listed."""
    return tuple(failure(region, part, code, **changes) for part in BASE_PARTS)


def snapshot(
    *regions: Iterable[PartListing],
    at: datetime = NOW,
    invoke_order: Sequence[str] = INVOKE_ORDER,
    cards: CardBook = NO_CARDS,
    **changes: Any,
) -> CatalogSnapshot:
    """The snapshot of what the regions list, which stand in order of preference.

    Args:
        changes: other fields of the state.
    """
    listings = tuple(it for region in regions for it in region)
    named = (*listings, *changes.get("failures", ()))
    fields: dict[str, Any] = {
        "source": "aws",
        "attempted_at": at,
        "refreshed_at": at,
        "changed_at": at,
        "regions": tuple(dict.fromkeys(it.region for it in named)),
        "parts": tuple(dict.fromkeys((*BASE_PARTS, *(it.part for it in named)))),
        "listings": listings,
    }
    return build_snapshot(CatalogState(**(fields | changes)), at=at, invoke_order=invoke_order, cards=cards)


def numbered(count: int, region: str = "us-east-1") -> CatalogSnapshot:
    """Models m0, m1, ... with m0 the most recent, all in one region."""
    return snapshot(
        listing(region, *(model(f"m{place}", start_of_life_at=day(count - place)) for place in range(count)))
    )


def view(snapshot: CatalogSnapshot, **scope: Any) -> CatalogView:
    return CatalogView(snapshot, Scope(**scope))
