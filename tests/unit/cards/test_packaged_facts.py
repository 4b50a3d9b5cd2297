"""The packaged cards: every fact of the settled tables, and the rules that hold for all of them."""

import json
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from anthropic.types import ModelCapabilities

from app.catalog.cards import Card, load_packaged_cards
from app.catalog.cards.records import FIELDS, NULLABLE_PATHS, SUPPORT_PATHS
from tools.make_cards import PROJECT, demo_models

BOOK = load_packaged_cards()
DEMO = demo_models()

M = 1_000_000
K = 1_000


def packaged(model_id: str, *modalities: str) -> Card:
    card = BOOK.card_for(model_id, DEMO[model_id], input_modalities=modalities or ("TEXT", "IMAGE"))
    assert card is not None
    return card


# AWS's own model cards decide where the packages disagree.
SETTLED = [
    ("anthropic.claude-sonnet-4-6", 1_000_000, 64_000),
    ("deepseek.r1-v1:0", 128_000, 8_192),
    ("deepseek.v3.2", 163_840, 8_000),
    ("openai.gpt-oss-120b-1:0", 128_000, 16_384),
    ("qwen.qwen3-coder-480b-a35b-v1:0", 131_072, None),
    ("writer.palmyra-x5-v1:0", 128_000, 8_192),
    ("openai.gpt-6-sol", 1_050_000, 128_000),
    ("openai.gpt-6-luna", 1_050_000, 128_000),
    ("openai.gpt-6-astra", 1_050_000, 128_000),
    ("openai.gpt-6.1-sol", 1_000_000, 131_072),
    ("openai.gpt-5.6-sol", None, 128_000),
    ("openai.gpt-5.6-luna", None, 128_000),
    ("openai.gpt-5.6-terra", None, 128_000),
    ("xai.grok-4.7", 500_000, None),
    ("anthropic.claude-3-7-sonnet-20250219-v1:0", 200_000, None),
]


@pytest.mark.parametrize(("model_id", "context", "output"), SETTLED)
def test_a_settled_disagreement_is_as_awss_card_says(model_id: str, context: int | None, output: int | None) -> None:
    card = packaged(model_id)

    assert (card.max_input_tokens, card.max_tokens) == (context, output)


LOW_TO_MAX = ("low", "medium", "high", "max")
ALL_EFFORTS = (*LOW_TO_MAX, "xhigh")

# id, line, launch, context, output
CLAUDE = [
    ("anthropic.claude-haiku-5-5", "haiku", date(2026, 10, 7), M, 128 * K),
    ("anthropic.claude-sonnet-5-5", "sonnet", date(2026, 9, 28), M, 128 * K),
    ("anthropic.claude-opus-5-5", "opus", date(2026, 9, 22), M, 128 * K),
    ("anthropic.claude-fable-5-1", "fable", date(2026, 9, 1), M, 128 * K),
    ("anthropic.claude-opus-5", "opus", date(2026, 7, 24), M, 128 * K),
    ("anthropic.claude-sonnet-5", "sonnet", date(2026, 6, 30), M, 128 * K),
    ("anthropic.claude-fable-5", "fable", date(2026, 6, 9), M, 128 * K),
    ("anthropic.claude-opus-4-8", "opus", date(2026, 5, 28), M, 128 * K),
    ("anthropic.claude-opus-4-7", "opus", date(2026, 4, 16), M, 128 * K),
    ("anthropic.claude-sonnet-4-6", "sonnet", date(2026, 2, 17), M, 64 * K),
    ("anthropic.claude-opus-4-6-v1", "opus", date(2026, 2, 5), M, 128 * K),
    ("anthropic.claude-opus-4-5-20251101-v1:0", "opus", date(2025, 11, 24), 200 * K, 64 * K),
    ("anthropic.claude-haiku-4-5-20251001-v1:0", "haiku", date(2025, 10, 16), 200 * K, 64 * K),
    ("anthropic.claude-sonnet-4-5-20250929-v1:0", "sonnet", date(2025, 9, 30), 200 * K, 64 * K),
    ("anthropic.claude-opus-4-1-20250805-v1:0", "opus", date(2025, 8, 5), 200 * K, 32 * K),
    ("anthropic.claude-sonnet-4-20250514-v1:0", "sonnet", date(2025, 5, 22), 200 * K, 64 * K),
]

# id, thinking types, effort levels, structured outputs, context management that is supported
WHOLE_TREES: list[tuple[str, tuple[str, ...], tuple[str, ...], bool, str | None]] = [
    ("anthropic.claude-opus-5", ("adaptive", "disabled"), ALL_EFFORTS, False, None),
    ("anthropic.claude-sonnet-5", ("adaptive", "disabled"), ALL_EFFORTS, False, None),
    ("anthropic.claude-sonnet-4-6", ("adaptive", "enabled", "disabled"), LOW_TO_MAX, True, "compact_20260112"),
    ("anthropic.claude-opus-4-6-v1", ("adaptive", "enabled", "disabled"), LOW_TO_MAX, True, "compact_20260112"),
    (
        "anthropic.claude-opus-4-5-20251101-v1:0",
        ("enabled",),
        ("low", "medium", "high"),
        True,
        "clear_tool_uses_20250919",
    ),
    ("anthropic.claude-haiku-4-5-20251001-v1:0", ("enabled",), (), True, "clear_tool_uses_20250919"),
    ("anthropic.claude-sonnet-4-5-20250929-v1:0", ("enabled",), (), True, "clear_tool_uses_20250919"),
]
WHOLE = {row[0] for row in WHOLE_TREES}


@pytest.mark.parametrize(("model_id", "line", "launch", "context", "output"), CLAUDE)
def test_a_claude_model_has_its_line_launch_and_limits(
    model_id: str, line: str, launch: date, context: int, output: int
) -> None:
    card = packaged(model_id)

    assert (card.line, card.released, card.max_input_tokens, card.max_tokens) == (line, launch, context, output)


@pytest.mark.parametrize(("model_id", "thinking", "effort", "structured", "strategy"), WHOLE_TREES)
def test_a_claude_model_with_a_whole_tree_has_every_leaf_of_the_table(
    model_id: str, thinking: tuple[str, ...], effort: tuple[str, ...], structured: bool, strategy: str | None
) -> None:
    capabilities = packaged(model_id).capabilities
    yes, no = {"supported": True}, {"supported": False}

    def support(names: tuple[str, ...], supported: tuple[str, ...]) -> dict[str, Any]:
        return {name: yes if name in supported else no for name in names}

    assert capabilities is not None
    assert capabilities.as_tree() == {
        "batch": no,
        "citations": yes,
        "code_execution": no,
        "context_management": {
            "supported": strategy is not None,
            "clear_thinking_20251015": None,
            "clear_tool_uses_20250919": yes if strategy == "clear_tool_uses_20250919" else None,
            "compact_20260112": yes if strategy == "compact_20260112" else no,
        },
        "effort": {"supported": bool(effort), **support(ALL_EFFORTS, effort)},
        "image_input": yes,
        "pdf_input": yes,
        "server_tools": {"supported": False, "code_execution": no, "web_search": no},
        "structured_outputs": yes if structured else no,
        "thinking": {
            "supported": True,
            "types": support(("adaptive", "between_tools", "disabled", "enabled"), thinking),
        },
    }


@pytest.mark.parametrize("model_id", sorted({row[0] for row in CLAUDE} - WHOLE))
def test_a_tree_of_which_a_leaf_has_no_source_is_left_out(model_id: str) -> None:
    assert packaged(model_id).capabilities is None


@pytest.mark.parametrize("model_id", sorted(DEMO.keys() - WHOLE))
def test_a_tree_is_known_of_no_other_model(model_id: str) -> None:
    card = BOOK.card_for(model_id, DEMO[model_id], input_modalities=())

    assert card is None or card.capabilities is None


@pytest.mark.parametrize("model_id", sorted(WHOLE))
def test_the_official_sdk_accepts_every_tree(model_id: str) -> None:
    for modalities in (("TEXT",), ("TEXT", "IMAGE")):
        capabilities = packaged(model_id, *modalities).capabilities
        assert capabilities is not None
        tree = capabilities.as_tree()
        strict = ModelCapabilities.model_validate(tree, strict=True)
        assert strict.model_dump() == tree


def test_the_tree_has_the_keys_of_the_official_sdk_and_no_other() -> None:
    # A key that a later SDK adds is a null in our tree until somebody looks at it.
    def paths(model: Any, prefix: str = "") -> set[str]:
        found: set[str] = set()
        for name, field in model.model_fields.items():
            types = (field.annotation, *getattr(field.annotation, "__args__", ()))
            inner = next((it for it in types if hasattr(it, "model_fields")), None)
            found |= {prefix.removesuffix(".")} if inner is None else paths(inner, f"{prefix}{name}.")
        return found

    assert paths(ModelCapabilities) == set(SUPPORT_PATHS)
    assert set(SUPPORT_PATHS) >= NULLABLE_PATHS


def test_image_input_is_bedrocks_own_modality() -> None:
    for modalities, supported in ((("TEXT", "IMAGE"), True), (("TEXT",), False)):
        capabilities = packaged("anthropic.claude-opus-5", *modalities).capabilities
        assert capabilities is not None
        assert capabilities.as_tree()["image_input"] == {"supported": supported}


@pytest.mark.parametrize(
    ("model_id", "name", "released"),
    [
        ("moonshotai.kimi-k3", "Kimi K3", date(2026, 7, 16)),
        ("xai.grok-4.7", "Grok 4.7", date(2026, 9, 21)),
        ("zai.glm-5.3", "GLM-5.3", date(2026, 8, 14)),
    ],
)
def test_a_model_that_the_packages_have_under_profiles_alone_has_a_name_kept_by_hand(
    model_id: str, name: str, released: date
) -> None:
    card = packaged(model_id)

    assert (card.display_name, card.released) == (name, released)


def test_no_name_is_that_of_a_profile() -> None:
    names = [row["display_name"] for row in BOOK.langchain.rows.values() if "display_name" in row]

    assert len(names) > 70
    assert [name for name in names if re.search(r"\((Global|US|EU|APAC|AU|JP|India|GovCloud)\)", name)] == []


@pytest.mark.parametrize("model_id", sorted(DEMO))
def test_every_fact_has_one_source_and_a_day(model_id: str) -> None:
    card = BOOK.card_for(model_id, DEMO[model_id], input_modalities=()) or Card()
    sourced = [field for source in card.sources for field in source.fields]
    stated = [field for field in FIELDS if getattr(card, field) is not None]

    assert sorted(sourced) == sorted(stated)
    for source in card.sources:
        assert re.fullmatch(r"https://docs\.aws\.amazon\.com/\S+|(litellm|langchain-aws) [0-9.]+", source.source)
        assert date(2026, 8, 1) < source.as_of < date(2027, 8, 1)


def test_every_id_of_checked_toml_is_one_of_the_demos() -> None:
    assert set(BOOK.checked) <= DEMO.keys()


def test_every_claude_of_the_demo_has_limits_or_a_reason_for_none() -> None:
    without = {
        (model_id, field)
        for model_id, profile_ids in DEMO.items()
        if model_id.startswith("anthropic.")
        for field in ("max_input_tokens", "max_tokens")
        if getattr(BOOK.card_for(model_id, profile_ids, input_modalities=()) or Card(), field) is None
    }

    assert without == {
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", "max_tokens"),
        ("anthropic.claude-3-sonnet-20240229-v1:0", "max_input_tokens"),
        ("anthropic.claude-3-sonnet-20240229-v1:0", "max_tokens"),
    }
    assert all(BOOK.is_set_to_null(model_id, field) for model_id, field in without)


def test_a_profile_has_its_own_list_prices() -> None:
    model = packaged("anthropic.claude-sonnet-4-6").prices
    eu = BOOK.prices_for_profile("eu.anthropic.claude-sonnet-4-6")
    worldwide = BOOK.prices_for_profile("global.anthropic.claude-sonnet-4-6")

    assert model is not None and eu is not None and worldwide is not None
    assert list(eu.amounts().values()) == ["3.3", "16.5", "0.33", "4.125"]
    assert list(worldwide.amounts().values()) == list(model.amounts().values()) == ["3", "15", "0.3", "3.75"]


def test_a_model_has_list_prices_of_single_regions() -> None:
    prices = packaged("deepseek.v3.2").prices

    assert prices is not None
    assert dict(prices.regions)["ap-northeast-1"].input == "0.74"
    assert dict(prices.regions)["us-east-1"].output == "1.85"


# Bedrock's own names and start dates, for the demo.
DEMO_FACTS = json.loads((PROJECT / "app/discovery/demo_facts.json").read_text(encoding="utf-8"))


def test_the_demo_is_named_and_dated_by_cards_and_facts_but_for_three() -> None:
    cards = {model_id: BOOK.card_for(model_id, DEMO[model_id], input_modalities=()) or Card() for model_id in DEMO}
    lacking = {
        model_id
        for model_id, card in cards.items()
        if model_id not in DEMO_FACTS["models"] and (card.display_name is None or card.released is None)
    }

    assert len(DEMO) == 99
    assert lacking == {"amazon.nova-2-5-sonic", "openai.gpt-6.1-terra", "twelvelabs.pegasus-1-5-v1:0"}


def test_the_demos_facts_are_names_and_starts_of_the_day_that_they_are_of() -> None:
    day = datetime.fromisoformat(DEMO_FACTS["as_of"]).replace(tzinfo=UTC)

    assert len(DEMO_FACTS["models"]) == 111
    assert list(DEMO_FACTS["models"]) == sorted(DEMO_FACTS["models"])
    for fact in DEMO_FACTS["models"].values():
        assert list(fact) == ["name", "start"]
        assert fact["name"].strip() == fact["name"] != ""
        assert datetime(2023, 1, 1, tzinfo=UTC) < datetime.fromisoformat(fact["start"]) < day
