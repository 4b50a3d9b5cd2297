"""Model cards: limits, capabilities, names, dates and list prices, each with its source."""

from app.catalog.cards.book import NO_CARDS, CardBook, Disagreement, load_packaged_cards, read_cards
from app.catalog.cards.packaged import DamagedCardFile
from app.catalog.cards.records import OPERATOR, Capabilities, Card, FieldSource, Prices, card_payload

__all__ = [
    "NO_CARDS",
    "OPERATOR",
    "Capabilities",
    "Card",
    "CardBook",
    "DamagedCardFile",
    "Disagreement",
    "FieldSource",
    "Prices",
    "card_payload",
    "load_packaged_cards",
    "read_cards",
]
