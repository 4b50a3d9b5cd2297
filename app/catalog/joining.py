"""Where cards meet listings: what an entry's card fills, and what Bedrock knows better."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from typing import Any

from app.catalog.cards import Card, CardBook
from app.catalog.entries import profile_ids
from app.catalog.lifecycle import lifecycle_of
from app.catalog.records import EPOCH, FoundationModel, Invocation


def facts_of(
    rows: Sequence[FoundationModel],
    at: datetime,
    cards: CardBook,
    *ways: Iterable[Invocation],
    prefers_cards: bool = False,
) -> dict[str, Any]:
    """The fields of a model's entry that its rows and its card decide.

    Args:
        rows: in order of preference; where they differ, the first one that has a value describes the model. Modalities
            are the union, streaming is true if one row says so, `created_at` is the earliest start.
        ways: the invocations, whose profiles a card may be found by.
        prefers_cards: a card's name and date win over the rows'. Else a card fills a missing name and never a date, but
            an operator's name wins.
    """
    lifecycle, deprecated_at, retires_at = lifecycle_of(rows, at)
    streaming = {row.response_streaming for row in rows} - {None}
    input_modalities = tuple(dict.fromkeys(word for row in rows for word in row.input_modalities or ()))
    model_id = rows[0].id
    card = _card(cards, model_id, profile_ids(*ways), input_modalities, prefers_cards) if cards.known_ids else None
    name = next((row.name for row in rows if row.name), None)
    if card is not None and card.display_name and (name is None or card.overrides_name):
        name = card.display_name
    started = min((row.start_of_life_at for row in rows if row.start_of_life_at), default=EPOCH)
    if card is not None and card.released is not None:
        started = datetime.combine(card.released, time(), UTC)
    return {
        "name": name or model_id,
        "provider": next((row.provider for row in rows if row.provider), None),
        # Whole seconds, as it is served: models of equal dates are in the order of their ids.
        "created_at": started.replace(microsecond=0),
        "lifecycle": lifecycle,
        "deprecated_at": deprecated_at,
        "retires_at": retires_at,
        "input_modalities": input_modalities,
        "output_modalities": tuple(dict.fromkeys(word for row in rows for word in row.output_modalities or ())),
        "response_streaming": any(streaming) if streaming else None,
        "card": card,
    }


def _card(
    cards: CardBook, model_id: str, profiles: Sequence[str], input_modalities: Iterable[str], prefers_cards: bool
) -> Card | None:
    card = cards.card_for(model_id, profiles, input_modalities=input_modalities)
    if card is None:
        return None
    return card.overriding_listings() if prefers_cards else card.without_release()
