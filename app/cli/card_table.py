"""The table of `flask catalog cards MODEL`: each fact of a model's card, with its source and day."""

from rich.table import Table

from app.catalog.cards import Card, Prices
from app.catalog.cards.records import Capabilities


def card_table(card: Card) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("field", "value", "source", "as of"):
        table.add_column(name, overflow="fold")
    for it in card.sources:
        for field in it.fields:
            table.add_row(field, _in_words(getattr(card, field)), it.source, it.as_of.isoformat())
    return table


def _in_words(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Prices():
            regions = (f"{region}: {_amounts(of_region)}" for region, of_region in value.regions)
            return "\n".join((f"{_amounts(value)} (US dollars per million tokens)", *regions))
        case Capabilities():
            unknown = f"\nnot known: {', '.join(sorted(value.unknown))}" if value.unknown else ""
            return f"{', '.join(sorted(value.supported)) or 'none'}{unknown}"
        case _:
            return str(value)


def _amounts(prices: Prices) -> str:
    known = {name.replace("_", " "): amount for name, amount in prices.amounts().items() if amount is not None}
    return ", ".join(f"{name} {amount}" for name, amount in known.items()) or "none"
