"""What the dialects share of an entry: how to call it, from where, and where it is processed."""

from typing import Any

from marshmallow import Schema, fields, post_dump

from app.api.fields import SOMETIMES, Instant, RegionMap
from app.catalog.access import ACCESS_STATES
from app.catalog.cards import card_payload
from app.catalog.cards.records import MODALITIES
from app.catalog.entries import (
    ACCOUNT_KINDS,
    ALIAS,
    APPLICATION,
    INFERENCE_PROFILE,
    MODEL,
    RETIRED,
    CatalogEntry,
    geography_in_words,
)

KINDS = (MODEL, INFERENCE_PROFILE, ALIAS, *ACCOUNT_KINDS)
# The keys that entries of some kinds alone have, but for an alias, which has those of the entry that it stands for.
OF_KIND = {
    "inference_profiles": (MODEL,),
    "model_id": (INFERENCE_PROFILE,),
    "geography": (INFERENCE_PROFILE,),
    "destinations": (INFERENCE_PROFILE,),
    "mantle": (MODEL,),
    "data_retention": (MODEL,),
    "base_model_id": ACCOUNT_KINDS,
    "status": ACCOUNT_KINDS,
    "updated_at": ACCOUNT_KINDS,
    "commitment_ends_at": ACCOUNT_KINDS,
    "alias_of": (ALIAS,),
}


# The keys that stand only while the part `mantle` is on.
OF_MANTLE = ("mantle", "endpoints", "data_retention")


def capabilities_of(entry: CatalogEntry) -> dict[str, Any] | None:
    known = entry.card.capabilities if entry.card is not None else None
    return None if known is None else known.as_tree()


def _modalities() -> fields.List[Any]:
    description = "Null where neither Bedrock nor a card states them."
    return fields.List(fields.String(), allow_none=True, metadata={"description": description})


def _list_of_texts() -> fields.List[Any]:
    return fields.List(fields.String())


def _own_date(name: str, meaning: str) -> Instant:
    return Instant(
        attribute=f"account_row.{name}",
        dump_default=None,
        allow_none=True,
        metadata={
            "description": f"Of the account's own: {meaning}, null where AWS does not state it.",
            SOMETIMES: True,
        },
    )


class LimitsSchema(Schema):
    """What an entry's card has on a model in the keys of Anthropic's ModelInfo; null where no source has it."""

    line = fields.String(attribute="card.line", dump_default=None, allow_none=True)
    max_input_tokens = fields.Integer(
        attribute="card.max_input_tokens",
        dump_default=None,
        allow_none=True,
        metadata={"description": "The most tokens of a request's input on Bedrock."},
    )
    max_tokens = fields.Integer(
        attribute="card.max_tokens",
        dump_default=None,
        allow_none=True,
        metadata={"description": "The most tokens of an answer on Bedrock."},
    )
    capabilities = fields.Function(
        capabilities_of,
        metadata={"type": ["object", "null"], "description": "Anthropic's tree, whole, or null where it is not known."},
    )


class AccessSchema(Schema):
    """What AWS last answered on whether the account may call the model; a report and no proof."""

    state = fields.String(metadata={"enum": list(ACCESS_STATES)})
    reason = fields.String(
        allow_none=True,
        metadata={
            "description": "The field of AWS's answer that decides, or why there never was an answer; null where all "
            "are positive."
        },
    )
    checked_at = Instant()


class InvocationsSchema(Schema):
    """A CatalogEntry beyond the real APIs' own keys."""

    kind = fields.String(metadata={"enum": list(KINDS)})
    provider = fields.String(allow_none=True, metadata={"description": "The maker, as Bedrock names it."})
    regions = fields.List(
        fields.String(), metadata={"description": "AWS regions that it can be called from, by whichever id."}
    )
    on_demand_regions = fields.List(
        fields.String(), metadata={"description": "Those of the regions where the model's own id is callable."}
    )
    invoke = RegionMap(fields.String(), "The id to send in each region; a region whose id is not known is left out.")
    inference_profiles = RegionMap(
        _list_of_texts(),
        "Of a model: its inference profiles' ids, each with the regions to call it from.",
        sometimes=True,
    )
    model_id = fields.String(metadata={"description": "Of a profile: the model that it calls.", SOMETIMES: True})
    geography = fields.String(
        allow_none=True,
        metadata={
            "description": "Of a profile: global, us, eu ..., or application for the account's own.",
            SOMETIMES: True,
        },
    )
    destinations = RegionMap(
        _list_of_texts(),
        "Of a profile: the regions where a call is processed, by the region that it is sent to; `global` for any.",
        sometimes=True,
    )
    base_model_id = fields.String(
        allow_none=True,
        metadata={
            "description": "Of the account's own: the model that it was made of, null where none is known.",
            SOMETIMES: True,
        },
    )
    status = fields.String(
        attribute="account_row.status",
        dump_default=None,
        allow_none=True,
        metadata={
            "description": "Of the account's own: AWS's word for its state, which decides whether `invoke` has it.",
            SOMETIMES: True,
        },
    )
    updated_at = _own_date("updated_at", "when it last changed")
    commitment_ends_at = _own_date("commitment_ends_at", "when a commitment to provisioned throughput ends")
    mantle = RegionMap(
        fields.String(),
        "Of a model: the id to send to the endpoint bedrock-mantle, in each region where that serves it.",
        sometimes=True,
    )
    endpoints = fields.List(
        fields.String(),
        metadata={"description": "Which endpoints serve it: bedrock-runtime, bedrock-mantle.", SOMETIMES: True},
    )
    data_retention = fields.Function(
        lambda entry: entry.data_retention,
        metadata={
            "type": ["object", "null"],
            "description": "Of a model: what Mantle states of the data retention that it needs, as `allowed_modes`.",
            SOMETIMES: True,
        },
    )
    input_modalities = _modalities()
    output_modalities = _modalities()
    response_streaming = fields.Boolean(allow_none=True, metadata={"description": "Null where AWS does not state it."})

    card = fields.Function(
        lambda entry: card_payload(entry.card, omit=entry.unused_card_fields),
        metadata={
            "type": ["object", "null"],
            "description": "The source and day of each fact that Bedrock does not state, and list prices, which are "
            "those of a table and no bill.",
        },
    )
    access = fields.Nested(
        AccessSchema,
        # An entry without access, as while that part is off, has no such key.
        attribute="access.report",
        allow_none=True,
        metadata={"description": "Null where AWS was not asked.", SOMETIMES: True},
    )
    alias_of = fields.String(
        metadata={"description": "Of an alias: the id that it stands for now.", SOMETIMES: True},
    )
    aliases = fields.List(fields.String(), metadata={"description": "The operator's names that stand for it."})

    projects = RegionMap(
        fields.String(),
        "The project that a call needs in each region where only that opens it, as `projectIdentifier`; these regions "
        "do not stand in `invoke`.",
        sometimes=True,
    )

    @post_dump(pass_original=True)
    def keep_keys_of_kind(self, data: dict[str, Any], entry: CatalogEntry, **_: Any) -> dict[str, Any]:
        if entry.mantle_rows is None:
            data = {name: value for name, value in data.items() if name not in OF_MANTLE}
        if not entry.rows:
            data |= {name: data[name] or None for name in MODALITIES if name in data}
        if entry.project_ways is None:
            data = {name: value for name, value in data.items() if name != "projects"}
        kinds = {entry.kind}
        if entry.kind == ALIAS and entry.account_row is not None:
            kinds.update(ACCOUNT_KINDS)
        elif entry.kind == ALIAS:
            kinds.add(MODEL if entry.alias_of == entry.model_id else INFERENCE_PROFILE)
        return {name: value for name, value in data.items() if not kinds.isdisjoint(OF_KIND.get(name, kinds))}


def description_of(entry: CatalogEntry) -> str:
    """One short line for pickers, which have the name beside it."""
    if entry.geography == APPLICATION:
        return f"Application profile of {entry.model_id} in {', '.join(entry.regions) or 'no region'}"
    if entry.account_row is not None:
        base = f" of {entry.base_model_id}" if entry.base_model_id else ""
        status = f", {entry.account_row.status}" if entry.account_row.status else ""
        return f"{entry.kind.replace('_', ' ').capitalize()}{base} in {', '.join(entry.regions) or 'no region'}{status}"
    if entry.kind == INFERENCE_PROFILE:
        geography = f"{geography_in_words(entry.geography)} profile" if entry.geography else "Profile"
        return f"{geography} of {entry.model_id}"
    return ", ".join(filter(None, (entry.provider, _where(entry), _lifecycle(entry))))


def _where(entry: CatalogEntry) -> str:
    regions = entry.regions
    if entry.is_of_project:
        return f"with a project in {', '.join(entry.projects)}"
    if not regions and entry.mantle:
        return f"on Mantle in {', '.join(entry.mantle) if len(entry.mantle) < 2 else f'{len(entry.mantle)} regions'}"
    return "".join(regions) if len(regions) < 2 else f"{len(regions)} regions"


def _lifecycle(entry: CatalogEntry) -> str:
    if entry.retires_at is None:
        return ""
    return f"{'ended' if entry.lifecycle == RETIRED else 'ends'} {entry.retires_at.date().isoformat()}"
