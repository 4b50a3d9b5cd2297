"""A model card: facts about a model that Bedrock's control plane does not state, each with its source and date."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

# Source of what the operator's file states; the other sources are packages with their version, and URLs.
OPERATOR = "operator"

LINES = ("haiku", "sonnet", "opus", "fable", "mythos")

# The words of Bedrock's listings, for a model in none of them; where Bedrock states them, they do not count.
MODALITIES = ("input_modalities", "output_modalities")

FIELDS = (
    "display_name",
    "line",
    "max_input_tokens",
    "max_tokens",
    "capabilities",
    "tool_use",
    "prices",
    *MODALITIES,
    "released",
)

# What a field of a card is called in the Anthropic dialect, where the names differ.
WIRE_NAMES = {"released": "created_at"}

# Fields that answer a search and stand in no answer.
SEARCH_ONLY = frozenset({"tool_use"})

IMAGE_INPUT = "image_input"

# Every `supported` of the Anthropic dialect's `capabilities`, in its order. Source: contract, section 2, and
# anthropic.types.ModelCapabilities. The four nullable ones may be unknown in a whole tree.
SUPPORT_PATHS = (
    "batch",
    "citations",
    "code_execution",
    "context_management",
    "context_management.clear_thinking_20251015",
    "context_management.clear_tool_uses_20250919",
    "context_management.compact_20260112",
    "effort",
    "effort.low",
    "effort.medium",
    "effort.high",
    "effort.xhigh",
    "effort.max",
    IMAGE_INPUT,
    "pdf_input",
    "server_tools",
    "server_tools.code_execution",
    "server_tools.web_search",
    "structured_outputs",
    "thinking",
    "thinking.types.adaptive",
    "thinking.types.between_tools",
    "thinking.types.disabled",
    "thinking.types.enabled",
)
NULLABLE_PATHS = frozenset(
    {
        "context_management.clear_thinking_20251015",
        "context_management.clear_tool_uses_20250919",
        "context_management.compact_20260112",
        "effort.xhigh",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """A whole capability tree, as the dotted names of what is supported and of what is unknown.

    What stands in neither is not supported. `image_input` is unknown until a model's modalities are known.
    """

    supported: frozenset[str]
    unknown: frozenset[str] = frozenset()

    def with_image_input(self, supported: bool) -> "Capabilities":
        """The tree with `image_input` filled in, where it does not state that itself."""
        if IMAGE_INPUT not in self.unknown:
            return self
        names = self.supported | {IMAGE_INPUT} if supported else self.supported
        return Capabilities(supported=names, unknown=self.unknown - {IMAGE_INPUT})

    def as_tree(self) -> dict[str, Any]:
        """The tree of the Anthropic dialect, with every key."""
        tree: dict[str, Any] = {}
        for path in SUPPORT_PATHS:
            *parents, name = path.split(".")
            node = tree
            for parent in parents:
                node = node.setdefault(parent, {})
            node[name] = None if path in self.unknown else {"supported": path in self.supported}
        return tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """List prices in US dollars per million tokens, as plain decimals; None where unknown.

    `regions` are prices of single regions that the source lists beside these, by name.
    """

    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    regions: tuple[tuple[str, "Prices"], ...] = ()

    def amounts(self) -> dict[str, str | None]:
        return {
            "input": self.input,
            "output": self.output,
            "cache_read": self.cache_read,
            "cache_write": self.cache_write,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSource:
    """Fields of a card that come from one source, and the day that the source is of."""

    fields: tuple[str, ...]
    source: str
    as_of: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known about one model beyond Bedrock's listings; None where no source has it or sources disagree.

    `tool_use`: whether it can call tools, which the tree of capabilities does not have. `released` is the model's
    launch, which fills a date in the demo alone. `sources` name every field that is not None once.
    `overrides_listings`: name and date win over what is listed, as in the demo.
    """

    display_name: str | None = None
    line: str | None = None
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    capabilities: Capabilities | None = None
    tool_use: bool | None = None
    prices: Prices | None = None
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    released: date | None = None
    sources: tuple[FieldSource, ...] = ()
    overrides_listings: bool = False

    @property
    def overrides_name(self) -> bool:
        """Whether `display_name` wins over Bedrock's own name: always the operator's, any card's in the demo."""
        return self.overrides_listings or any(
            item.source == OPERATOR and "display_name" in item.fields for item in self.sources
        )

    def source_of(self, field: str) -> FieldSource | None:
        return next((item for item in self.sources if field in item.fields), None)

    def overriding_listings(self) -> "Card":
        return replace(self, overrides_listings=True)

    def without_release(self) -> "Card | None":
        """The card where it fills no date; None where it fills nothing then."""
        if self.released is None:
            return self
        kept = {
            field: (item.source, item.as_of) for item in self.sources for field in item.fields if field != "released"
        }
        return replace(self, released=None, sources=group_sources(kept)) if kept else None

    def with_prices(self, prices: Prices | None, source: FieldSource | None) -> "Card":
        """The card with other prices, from another source."""
        kept = {field: (item.source, item.as_of) for item in self.sources for field in item.fields if field != "prices"}
        if prices is not None and source is not None:
            kept["prices"] = (source.source, source.as_of)
        return replace(self, prices=prices, sources=group_sources(kept))


def group_sources(by_field: Mapping[str, tuple[str, date]]) -> tuple[FieldSource, ...]:
    """One entry for each source and day, in the order of the fields."""
    grouped: dict[tuple[str, date], list[str]] = {}
    for field in FIELDS:
        if field in by_field:
            grouped.setdefault(by_field[field], []).append(field)
    return tuple(FieldSource(fields=tuple(fields), source=key[0], as_of=key[1]) for key, fields in grouped.items())


def card_payload(card: Card | None, *, omit: Collection[str] = ()) -> dict[str, Any] | None:
    """The value of `aws_bedrock.card`: sources and list prices; None where a card fills nothing.

    Args:
        card: the card that was joined to an entry.
        omit: fields of the card that the entry takes from elsewhere, such as Bedrock's own name; they are not named.
    """
    if card is None:
        return None
    sources = [
        {"fields": names, "source": item.source, "as_of": item.as_of.isoformat()}
        for item in card.sources
        if (names := _wire_names(item.fields, omit))
    ]
    prices = None if card.prices is None or "prices" in omit else _prices_payload(card.prices)
    return {"sources": sources, "prices": prices} if sources else None


def _wire_names(fields: Iterable[str], omit: Collection[str]) -> list[str]:
    return [WIRE_NAMES.get(field, field) for field in fields if field not in omit and field not in SEARCH_ONLY]


def _prices_payload(prices: Prices) -> dict[str, Any]:
    regions = {region: amounts.amounts() for region, amounts in prices.regions}
    return {"currency": "USD", "per": 1_000_000, **prices.amounts(), "regions": regions}
