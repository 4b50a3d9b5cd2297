"""Models on Mantle: joined to those of the runtime endpoint by the same id alone, or entries of their own.

AWS spells some models differently on the two endpoints. An id proves nothing, so such a model is two entries.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

from app.catalog.cards import CardBook
from app.catalog.entries import CatalogEntry, MantleGroup
from app.catalog.merge import MergedCatalog
from app.catalog.paging import sort_key
from app.catalog.records import EPOCH, MANTLE, MantleModel, PartListing


def with_mantle(
    merged: MergedCatalog,
    listings: Iterable[PartListing],
    *,
    regions: Sequence[str],
    cards: CardBook,
    prefers_cards: bool,
) -> MergedCatalog:
    """The catalog with where Mantle serves each model, and with the models that Mantle alone serves.

    Args:
        listings: of all parts.
        regions: in order of preference.
        cards, prefers_cards: as for `merge_listings`.
    """
    rank = {region: place for place, region in enumerate(regions)}
    found = _gather(listings)
    models = [replace(it, mantle_rows=_in_order(found.pop(it.id, {}), rank)) for it in merged.models]
    # An id that is another kind of thing elsewhere stays what it is there.
    profiles = merged.profile_ids
    for model_id, groups in found.items():
        if model_id in profiles or model_id.startswith("arn:"):
            continue
        rows = _in_order(groups, rank)
        facts = _facts(model_id, rows, cards, prefers_cards=prefers_cards)
        models.append(CatalogEntry(id=model_id, model_id=model_id, mantle_rows=rows, **facts))
    return replace(merged, models=tuple(sorted(models, key=sort_key)))


def restrict_mantle(
    entry: CatalogEntry, left: Collection[str], *, rank: Mapping[str, int], cards: CardBook, prefers_cards: bool
) -> CatalogEntry:
    """The entry with these of its regions on Mantle, and what is known of it there where it is nowhere else."""
    groups = {row: [region for region in regions if region in left] for row, regions in entry.mantle_rows or ()}
    rows = _in_order({row: names for row, names in groups.items() if names}, rank)
    if rows == entry.mantle_rows:
        return entry
    restricted = replace(entry, mantle_rows=rows)
    if not restricted.is_on_mantle_alone:
        return restricted
    return replace(restricted, **_facts(entry.model_id, rows, cards, prefers_cards=prefers_cards))


def on_mantle_alone(entry: CatalogEntry, *, cards: CardBook, prefers_cards: bool) -> CatalogEntry:
    """What is left of an entry where nothing but Mantle serves it."""
    return CatalogEntry(
        id=entry.id,
        model_id=entry.model_id,
        mantle_rows=entry.mantle_rows,
        access=entry.access,
        project_ways=entry.project_ways,
        projects_setting=entry.projects_setting,
        aliases=entry.aliases,
        **_facts(entry.model_id, entry.mantle_rows or (), cards, prefers_cards=prefers_cards),
    )


def _gather(listings: Iterable[PartListing]) -> dict[str, dict[MantleModel, list[str]]]:
    """The regions of each row that can be called, by the model's id."""
    found: dict[str, dict[MantleModel, list[str]]] = {}
    for listing in listings:
        if listing.part == MANTLE:
            for row in listing.rows:
                if isinstance(row, MantleModel) and row.is_available:
                    found.setdefault(row.id, {}).setdefault(row, []).append(listing.region)
    return found


def _in_order(groups: Mapping[MantleModel, Sequence[str]], rank: Mapping[str, int]) -> tuple[MantleGroup, ...]:
    """Groups of equal rows in order of preference, each with its regions sorted."""

    def place(group: MantleGroup) -> tuple[int, str]:
        return min((rank.get(region, len(rank)), region) for region in group[1])

    return tuple(sorted(((row, tuple(sorted(names))) for row, names in groups.items()), key=place))


def _facts(model_id: str, rows: Sequence[MantleGroup], cards: CardBook, *, prefers_cards: bool) -> dict[str, Any]:
    """What is known of a model that no other part lists: its card, and when Mantle has it since."""
    card = cards.card_for(model_id, (), input_modalities=None)
    if card is not None:
        card = card.overriding_listings() if prefers_cards else card.without_release()
    created_at = min((row.created_at for row, _ in rows if row.created_at is not None), default=EPOCH)
    if card is not None and card.released is not None:
        created_at = datetime.combine(card.released, time(), UTC)
    return {
        "name": (card.display_name if card is not None else None) or model_id,
        "created_at": created_at.replace(microsecond=0),
        "input_modalities": (card.input_modalities if card is not None else None) or (),
        "output_modalities": (card.output_modalities if card is not None else None) or (),
        "card": card,
    }
