"""Model cards: limits, capabilities, names, dates and list prices, each with its source."""

from app.catalog.cards.book import CardBook, Disagreement, load_packaged_cards, read_cards
from app.catalog.cards.packaged import DamagedCardFile
from app.catalog.cards.reading import InvalidCard
from app.catalog.cards.records import OPERATOR, Capabilities, Card, FieldSource, Prices, card_payload

__all__ = [
    "OPERATOR",
    "Capabilities",
    "Card",
    "CardBook",
    "DamagedCardFile",
    "Disagreement",
    "FieldSource",
    "InvalidCard",
    "Prices",
    "card_payload",
    "load_packaged_cards",
    "read_cards",
]
