"""The account's own models, deployments, endpoints and prompt routers as entries: pure, from what regions list."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from app.catalog.cards import CardBook
from app.catalog.entries import (
    ACCOUNT,
    IMPORTED_MODEL,
    MARKETPLACE_ENDPOINT,
    MODEL_DEPLOYMENT,
    NOT_CALLABLE,
    PROMPT_ROUTER,
    PROVISIONED_MODEL,
    CatalogEntry,
)
from app.catalog.joining import facts_of
from app.catalog.lifecycle import has_ended
from app.catalog.merge import is_usable, row_in
from app.catalog.paging import sort_key
from app.catalog.records import (
    DEPLOYMENTS,
    EPOCH,
    IMPORTED,
    MARKETPLACE,
    PROFILES,
    PROVISIONED,
    ROUTERS,
    TEXT,
    AccountModel,
    FoundationModel,
    InferenceProfile,
    Invocation,
    PartListing,
    ProfileModel,
)

KINDS = {
    PROVISIONED: PROVISIONED_MODEL,
    DEPLOYMENTS: MODEL_DEPLOYMENT,
    IMPORTED: IMPORTED_MODEL,
    MARKETPLACE: MARKETPLACE_ENDPOINT,
    ROUTERS: PROMPT_ROUTER,
}
# The statuses in which one can be called; an imported model has none. A word that is not here may mean anything.
CALLABLE: Mapping[str, frozenset[str | None]] = {
    PROVISIONED: frozenset({"InService", "Updating"}),
    DEPLOYMENTS: frozenset({"Active"}),
    IMPORTED: frozenset({None}),
    MARKETPLACE: frozenset({"REGISTERED"}),
    ROUTERS: frozenset({"AVAILABLE"}),
}

Profiles = Mapping[str, tuple[ProfileModel, ...]]


def account_entries(
    listings: Iterable[PartListing], models: Mapping[str, CatalogEntry], *, cards: CardBook, at: datetime
) -> tuple[CatalogEntry, ...]:
    """One entry an ARN, newest first, then by id.

    Args:
        listings: at most one per region and part.
        models: the catalog's models by id, whose facts stand for those that were made of them.
    """
    listings = tuple(listings)
    profiles = {it.region: _routes(it) for it in listings if it.part == PROFILES}
    found: dict[str, CatalogEntry] = {}
    for listing in sorted((it for it in listings if it.part in KINDS), key=lambda it: it.region):
        for row in listing.rows:
            if isinstance(row, AccountModel) and row.id not in found:
                found[row.id] = _entry(row, listing, models, profiles.get(listing.region, {}), cards, at)
    return tuple(sorted(found.values(), key=sort_key))


def _routes(listing: PartListing) -> Profiles:
    return {row.id: row.models for row in listing.rows if isinstance(row, InferenceProfile) and is_usable(row)}


def _entry(
    own: AccountModel,
    listing: PartListing,
    models: Mapping[str, CatalogEntry],
    profiles: Profiles,
    cards: CardBook,
    at: datetime,
) -> CatalogEntry:
    region, base_id = listing.region, own.base_id
    if base_id is not None and base_id in profiles and base_id not in models:
        base_id = next((model_id for model_id, _ in profiles[base_id]), None)
    model = None if base_id is None else models.get(base_id)
    row = None if model is None else row_in(model, region)
    facts = _facts(own, base_id, model, row, cards, at)
    way = Invocation(
        kind=ACCOUNT if own.status in CALLABLE[listing.part] else NOT_CALLABLE,
        regions=(region,),
        profile_id=own.id,
        destinations=_destinations(own, region, profiles),
    )
    ended = row is not None and has_ended(row, at)
    return CatalogEntry(
        kind=KINDS[listing.part],
        id=own.id,
        model_id=base_id or own.id,
        base_model_id=base_id,
        account_row=own,
        invocations=() if ended else (way,),
        former_invocations=(way,) if ended else (),
        rows=() if row is None else ((row, way.regions),),
        **facts,
    )


def _destinations(own: AccountModel, region: str, profiles: Profiles) -> tuple[str, ...]:
    """Where it is processed: in its region, and where a router's profiles lead. Empty where that is not known."""
    routes = [profiles.get(profile_id, ()) for profile_id in own.profile_ids or ()]
    if not all(routes) or not all(destinations for it in routes for _, destinations in it):
        return ()
    return tuple(sorted({region, *(place for it in routes for _, destinations in it for place in destinations)}))


def _facts(
    own: AccountModel,
    base_id: str | None,
    model: CatalogEntry | None,
    row: FoundationModel | None,
    cards: CardBook,
    at: datetime,
) -> dict[str, Any]:
    """The fields of an entry that its base model decides, under its own name and date."""
    facts: dict[str, Any] = {}
    card = None
    if row is not None and model is not None:
        facts = facts_of([row], at, cards)
        card = model.card
    elif model is not None:
        names = ("provider", "input_modalities", "output_modalities", "response_streaming")
        facts = {name: getattr(model, name) for name in names}
        card = model.card
    elif base_id is not None:
        card = cards.card_for(base_id, (), input_modalities=())
        card = None if card is None else card.without_release()
    if own.is_chat and base_id is None:
        # What is called by Converse takes text and answers with text.
        facts |= {"input_modalities": (TEXT,), "output_modalities": (TEXT,)}
    created_at = (own.created_at or EPOCH).replace(microsecond=0)
    return facts | {
        "name": own.name or own.id.rpartition("/")[2],
        "created_at": created_at,
        "card": cards.card_for_profile(card, own.id),
    }
