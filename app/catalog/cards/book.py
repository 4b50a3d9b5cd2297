"""All cards of one process: the layers, and the look-up that joins them field by field."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from app.catalog.cards.packaged import (
    CHECKED,
    GENERATED,
    LANGCHAIN,
    LITELLM,
    DamagedCardFile,
    SourceTable,
    read_checked,
    read_generated,
)
from app.catalog.cards.reading import Fact, Layer, read_operator_cards, read_prices
from app.catalog.cards.records import IMAGE_INPUT, Card, FieldSource, Prices, group_sources

IMAGE = "IMAGE"
LIMITS = ("max_input_tokens", "max_tokens")
# What both packages state, so that they may disagree.
STATED_TWICE = (*LIMITS, "tool_use")

# Never taken from a profile's entry in a layer kept by hand: they are the profile's own.
_PROFILES_OWN = frozenset({"display_name", "prices"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A field that the packages state differently; `decided_by` is the source whose word counts, None where it is null.

    `stated` are (source, id of the row, value).
    """

    field: str
    stated: tuple[tuple[str, str, int], ...]
    decided_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CardBook:
    """The three layers: what the packages state, what was checked by hand, what the operator states.

    `known_ids` are all ids that any layer has; `changed_at` is when the operator's layer last changed.
    """

    litellm: SourceTable
    langchain: SourceTable
    checked: Layer
    operator: Layer
    known_ids: frozenset[str]
    changed_at: datetime | None = None

    def with_operator(self, cards: object, *, as_of: date) -> "CardBook":
        """The book with another last layer.

        Args:
            cards: `[cards]` of the operator's file, as `tomllib` gives it.
            as_of: the file's day.

        Raises:
            InvalidValue: a key is unknown or a value is not allowed.
        """
        return self.with_layer(read_operator_cards(cards, as_of=as_of))

    def with_layer(self, operator: Layer, *, changed_at: datetime | None = None) -> "CardBook":
        """The book with another last layer, as `read_operator_cards` gives it; the same book where it has that."""
        if operator == self.operator:
            return self
        known_ids = _ids(self.litellm, self.langchain, self.checked, operator)
        return replace(self, operator=operator, known_ids=known_ids, changed_at=changed_at)

    def card_for(
        self, model_id: str, profile_ids: Sequence[str], *, input_modalities: Iterable[str] | None
    ) -> Card | None:
        """The card of a model; None where no layer knows anything of it.

        Args:
            model_id: looked up first, as it is spelled.
            profile_ids: the profiles that Bedrock lists for this model, for what is known of no exact id; where they
                differ, the field is None.
            input_modalities: Bedrock's own words, for `capabilities.image_input`; None where it lists no such model, so
                that the card's own count.
        """
        if self.known_ids.isdisjoint((model_id, *profile_ids)):
            return None
        facts = self._packaged_facts(model_id, profile_ids)
        for layer in (self.checked, self.operator):
            facts.update(_stated(layer, model_id, profile_ids))
        facts = {field: fact for field, fact in facts.items() if fact.value is not None}
        if "capabilities" in facts:
            stated = facts.get("input_modalities") if input_modalities is None else None
            words = input_modalities if stated is None else stated.value
            capabilities = facts["capabilities"].value
            if words is not None:
                capabilities = capabilities.with_image_input(IMAGE in words)
                facts["capabilities"] = replace(facts["capabilities"], value=capabilities)
            elif IMAGE_INPUT in capabilities.unknown:
                del facts["capabilities"]  # A tree is whole or not there.
        if not facts:
            return None
        values = {field: fact.value for field, fact in facts.items()}
        sources = group_sources({field: (fact.source, fact.as_of) for field, fact in facts.items()})
        return Card(**values, sources=sources)

    def card_for_profile(self, card: Card | None, profile_id: str) -> Card | None:
        """A profile's card: its model's, with the profile's own list prices or none."""
        fact = self._profile_prices(profile_id)
        if fact is None:
            own = None if card is None else card.with_prices(None, None)
            return own if own is not None and own.sources else None
        source = FieldSource(fields=("prices",), source=fact.source, as_of=fact.as_of)
        return (card or Card()).with_prices(fact.value, source)

    def has_same_prices(self, other: "CardBook", profile_ids: Iterable[str]) -> bool:
        """Whether both books have the same list prices, from the same sources, for each of the profiles."""
        if self is other:
            return True
        stated = [it for it in profile_ids if it in self.known_ids or it in other.known_ids]
        return all(self._profile_prices(it) == other._profile_prices(it) for it in stated)

    def prices_for_profile(self, profile_id: str) -> Prices | None:
        """The list prices of a profile, where a source has its row."""
        fact = self._profile_prices(profile_id)
        return None if fact is None else fact.value

    def disagreements(self, model_id: str, profile_ids: Sequence[str]) -> tuple[Disagreement, ...]:
        """The fields of a model on which the packages, or one package's rows for its profiles, disagree."""
        found = []
        for field in STATED_TWICE:
            stated = [
                (table.source, row_id, value)
                for table in (self.litellm, self.langchain)
                for row_id, value in _values(table, field, model_id, profile_ids)
            ]
            values = [value for _, _, value in stated]
            if values and not agree(min(values), max(values)):
                above = {
                    **_stated(self.checked, model_id, profile_ids),
                    **_stated(self.operator, model_id, profile_ids),
                }
                fact = above.get(field) or self._agreed(field, model_id, profile_ids)
                decided_by = None if fact is None else fact.source
                found.append(Disagreement(field=field, stated=tuple(stated), decided_by=decided_by))
        return tuple(found)

    def is_set_to_null(self, model_id: str, field: str) -> bool:
        """Whether a layer kept by hand takes a field away, so that its absence is known and not a gap."""
        fact = self.operator.get(model_id, {}).get(field) or self.checked.get(model_id, {}).get(field)
        return fact is not None and fact.value is None

    def _packaged_facts(self, model_id: str, profile_ids: Sequence[str]) -> dict[str, Fact]:
        litellm, langchain = self.litellm, self.langchain
        facts = {field: self._agreed(field, model_id, profile_ids) for field in STATED_TWICE}
        # A profile's row is called after its geography, so a name comes from the exact id alone.
        facts["display_name"] = _fact(langchain, _one(_values(langchain, "display_name", model_id, ())))
        released = _one(_values(langchain, "released", model_id, profile_ids))
        facts["released"] = _fact(langchain, released and date.fromisoformat(released))
        amounts = _one(_values(litellm, "prices", model_id, profile_ids))
        facts["prices"] = _fact(litellm, _prices(amounts, litellm.regions.get(model_id)))
        return {field: fact for field, fact in facts.items() if fact is not None}

    def _agreed(self, field: str, model_id: str, profile_ids: Sequence[str]) -> Fact | None:
        """LiteLLM's value where both agree, the value of the one that has it, None where they differ."""
        litellm = _values(self.litellm, field, model_id, profile_ids)
        langchain = _values(self.langchain, field, model_id, profile_ids)
        first, second = _one(litellm), _one(langchain)
        if (first is None and litellm) or (second is None and langchain):
            return None
        if first is None:
            return _fact(self.langchain, second)
        return _fact(self.litellm, first if second is None or agree(first, second) else None)

    def _profile_prices(self, profile_id: str) -> Fact | None:
        for layer in (self.operator, self.checked):
            if stated := layer.get(profile_id, {}).get("prices"):
                return None if stated.value is None else stated
        row = self.litellm.rows.get(profile_id)
        return None if row is None else _fact(self.litellm, _prices(row.get("prices")))


def agree(first: int, second: int) -> bool:
    """Whether two limits are the same number, in thousands of 1,000 or of 1,024; or two flags the same.

    128,000 and 131,072 are the same 128K; 1,048,576 and 1,000,000 the same 1M, which are the furthest apart.
    """
    return max(first, second) * 1_000**2 <= min(first, second) * 1_024**2


def _values(table: SourceTable, field: str, model_id: str, profile_ids: Iterable[str]) -> list[tuple[str, Any]]:
    """(id, value) of the exact row, else of the profiles' rows; nothing where they leave the field out."""
    ids = (model_id,) if model_id in table.rows else profile_ids
    rows = [(row_id, table.rows[row_id]) for row_id in ids if row_id in table.rows]
    return [(row_id, value) for row_id, row in rows if (value := row.get(field)) is not None]


def _one(values: list[tuple[str, Any]]) -> Any:
    """The value that all rows agree on, None without any."""
    first = values[0][1] if values else None
    return first if all(value == first for _, value in values) else None


def _fact(table: SourceTable, value: Any) -> Fact | None:
    return None if value is None else Fact(value=value, source=table.source, as_of=table.as_of)


def _prices(amounts: Mapping[str, str] | None, regions: Mapping[str, Mapping[str, str]] | None = None) -> Prices | None:
    if amounts is None and regions is None:
        return None
    table = {**(amounts or {}), **({"regions": regions} if regions else {})}
    return read_prices("prices", table)


def _stated(layer: Layer, model_id: str, profile_ids: Sequence[str]) -> Mapping[str, Fact]:
    """What a layer kept by hand states about a model: under its own id, else under its profiles'."""
    if (exact := layer.get(model_id)) is not None:
        return exact
    facts: dict[str, Fact] = {}
    for profile_id in profile_ids:
        for field, fact in layer.get(profile_id, {}).items():
            if field not in _PROFILES_OWN:
                differs = field in facts and facts[field].value != fact.value
                facts[field] = replace(fact, value=None) if differs else fact
    return facts


def _ids(litellm: SourceTable, langchain: SourceTable, checked: Layer, operator: Layer) -> frozenset[str]:
    return frozenset().union(litellm.rows, litellm.regions, langchain.rows, checked, operator)


def read_cards(generated: bytes, checked: bytes) -> CardBook:
    """The book of two files' contents, without an operator's layer.

    Raises:
        DamagedCardFile: one of them cannot be read.
    """
    tables = read_generated(generated)
    litellm, langchain = tables[LITELLM], tables[LANGCHAIN]
    layer = read_checked(checked)
    return CardBook(
        litellm=litellm,
        langchain=langchain,
        checked=layer,
        operator={},
        known_ids=_ids(litellm, langchain, layer, {}),
    )


_NO_ROWS = SourceTable(source="", as_of=date.min, rows={}, regions={})
NO_CARDS = CardBook(litellm=_NO_ROWS, langchain=_NO_ROWS, checked={}, operator={}, known_ids=frozenset())


def load_packaged_cards() -> CardBook:
    """The book of the two files that are shipped beside this module.

    Raises:
        DamagedCardFile: one of them is missing or cannot be read.
    """
    return read_cards(_packaged(GENERATED), _packaged(CHECKED))


def _packaged(file: str) -> bytes:
    try:
        return Path(__file__).with_name(file).read_bytes()
    except OSError as error:
        raise DamagedCardFile(file, 1, f"cannot be read: {error.strerror}") from None
