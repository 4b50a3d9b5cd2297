"""Builders of small cards for the tests of this folder."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from app.catalog.cards import Card, CardBook, read_cards

DAY = date(2026, 11, 25)
URL = "https://example.com/cards/a"
LITELLM = "litellm 1.0"
LANGCHAIN = "langchain-aws 2.0"


def generated(
    *, litellm: Mapping[str, Any] | None = None, langchain: Mapping[str, Any] | None = None, **changes: Any
) -> bytes:
    """A `generated.json` with a row a line, as the maker writes it."""
    sources = {
        "langchain-aws": {"version": "2.0", "as_of": "2026-10-26"},
        "litellm": {"version": "1.0", "as_of": "2026-11-20"},
    }
    tables = {"sources": sources, "langchain-aws": langchain or {}, "litellm": litellm or {}} | changes
    parts = [
        f"{json.dumps(name)}: {{\n"
        + ",\n".join(f"{json.dumps(row_id)}: {json.dumps(row)}" for row_id, row in rows.items())
        + "\n}"
        for name, rows in tables.items()
    ]
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def checked(*groups: str) -> bytes:
    """A `checked.toml` of groups with these lines, each with a source and a day."""
    heads = [f"[[facts]]\nsource = '{URL}'\nas_of = 2026-11-25\n{group}\n" for group in groups]
    return ("\n".join(heads) or "facts = []\n").encode()


def book(
    *,
    litellm: Mapping[str, Any] | None = None,
    langchain: Mapping[str, Any] | None = None,
    facts: str | None = None,
    operator: Mapping[str, Any] | None = None,
) -> CardBook:
    cards = read_cards(generated(litellm=litellm, langchain=langchain), checked(*([facts] if facts else [])))
    return cards if operator is None else cards.with_operator(operator, as_of=DAY)


def card_of(cards: CardBook, model_id: str = "a.model", *profile_ids: str) -> Card:
    """The card of a model that has one."""
    card = cards.card_for(model_id, profile_ids, input_modalities=("TEXT",))
    assert card is not None
    return card


def tree(**changes: Any) -> dict[str, Any]:
    """A whole capability tree without anything nullable, in which nothing is supported."""
    no = {"supported": False}
    whole: dict[str, Any] = {
        "batch": no,
        "citations": no,
        "code_execution": no,
        "context_management": no,
        "effort": {**no, "low": no, "medium": no, "high": no, "max": no},
        "pdf_input": no,
        "server_tools": {**no, "code_execution": no, "web_search": no},
        "structured_outputs": no,
        "thinking": {**no, "types": {"adaptive": no, "between_tools": no, "disabled": no, "enabled": no}},
    }
    return whole | changes
