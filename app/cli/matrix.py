"""The table of `flask catalog show`: models by regions, with their limits and list prices where there is room."""

from collections.abc import Sequence

from rich.table import Table

from app.catalog.cards import Card, Prices
from app.catalog.entries import ACCOUNT, ACTIVE, GEOGRAPHIC, NOT_CALLABLE, ON_DEMAND, WORLDWIDE, CatalogEntry

# Tokens, and list prices in US dollars per million tokens.
CARD_COLUMNS = ("input", "output", "$ in", "$ out")

# How a model is called from a region, the preferred first; a dot where it is not.
MARKS = {ON_DEMAND: "+", ACCOUNT: "+", GEOGRAPHIC: "p", WORLDWIDE: "g", NOT_CALLABLE: "."}
UNKNOWN_MARK = "?"
LEGEND = "+ on demand, p profile in the geography, g global profile alone, ? by an unknown id"

DIRECTIONS = {
    "northeast": "ne",
    "northwest": "nw",
    "southeast": "se",
    "southwest": "sw",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "central": "c",
}


def matrix(entries: Sequence[CatalogEntry], regions: Sequence[str], *, with_cards: bool) -> Table:
    """One character a region, with its code written downwards in the header: 31 regions fit beside an id."""
    codes = [_code(region) for region in regions]
    height = max((len(code) for code in codes), default=0)
    head = "\n".join("".join(code.rjust(height)[line] for code in codes) for line in range(height))
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold", vertical="bottom")
    table.add_column("", no_wrap=True)
    table.add_column(head, no_wrap=True)
    for name in CARD_COLUMNS if with_cards else ():
        table.add_column(name, no_wrap=True, justify="right", vertical="bottom")
    for entry in entries:
        marks = _marks(entry)
        row = "".join(marks.get(region, ".") for region in regions)
        facts = _card_cells(entry) if with_cards else ()
        table.add_row(entry.id, "" if entry.lifecycle == ACTIVE else entry.lifecycle[0], row, *facts)
    return table


def _card_cells(entry: CatalogEntry) -> tuple[str, ...]:
    card = entry.card or Card()
    prices = card.prices or Prices()
    return tuple(map(or_dash, (card.max_input_tokens, card.max_tokens, prices.input, prices.output)))


def _marks(entry: CatalogEntry) -> dict[str, str]:
    marks: dict[str, str] = {}
    for way in entry.invocations:
        for region in way.regions:
            marks.setdefault(region, MARKS.get(way.kind, UNKNOWN_MARK))
    return marks


def _code(region: str) -> str:
    """`ap-southeast-2` is `apse2`."""
    return "".join(DIRECTIONS.get(part, part[:2]) for part in region.split("-"))


def or_dash(value: object) -> str:
    return "-" if value is None else str(value)
