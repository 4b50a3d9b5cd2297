"""A day of listings in the form of a recorded one, and copies of it in which AWS changed something, or failed."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.catalog.records import MODELS, PROFILES, InferenceProfile, PartListing, PartResult
from tests.support.builders import NOW, failure, model, profile

AREAS = ("us-east", "us-west", "eu-west", "eu-central", "ap-south")
REGIONS = tuple(f"{area}-{number}" for area in AREAS for number in (1, 2, 3))
TYPES = (("ON_DEMAND",), ("INFERENCE_PROFILE",), ("ON_DEMAND", "INFERENCE_PROFILE"), ("PROVISIONED",))

Day = dict[str, dict[str, dict[str, Any]]]


def made_day(models: int = 60) -> Day:
    """Region, part and id to row: on demand in some regions, through a geographic and a global profile in others."""
    chance = random.Random(7)
    day: Day = {region: {MODELS: {}, PROFILES: {}} for region in REGIONS}
    for number in range(models):
        model_id = f"maker{number % 7}.model-{number}-v1:0"
        types = chance.choice(TYPES)
        legacy = chance.random() < 0.2
        row = model(
            model_id,
            name=f"Model {number}",
            provider=f"Maker {number % 7}",
            inference_types=types,
            lifecycle_status="LEGACY" if legacy else "ACTIVE",
            legacy_at=NOW - timedelta(days=40) if legacy else None,
            end_of_life_at=NOW + timedelta(days=chance.randrange(1, 200)) if legacy else None,
        )
        for region in chance.sample(REGIONS, chance.randrange(1, len(REGIONS))):
            day[region][MODELS][model_id] = row
            if "INFERENCE_PROFILE" in types:
                area = region.partition("-")[0]
                places = [it for it in REGIONS if it.startswith(area)]
                for name, targets in ((f"{area}.{model_id}", places), (f"global.{model_id}", ["global"])):
                    day[region][PROFILES][name] = profile(name, {model_id: targets})
    return day


@dataclass
class ChangingDay:
    """A day that changes from refresh to refresh, the same way for one seed."""

    day: Day
    chance: random.Random
    added: int = 0

    def change(self, at: datetime) -> None:
        """A few changes of any kind."""
        kinds: tuple[Callable[[datetime], None], ...] = (
            *(self._drop, self._add, self._dates, self._profile, self._types, self._legacy),
        )
        for _ in range(self.chance.randrange(0, 5)):
            self.chance.choice(kinds)(at)

    def results(self, at: datetime) -> list[PartResult]:
        """What a refresh brings: a region or a part of it fails now and then."""
        results: list[PartResult] = []
        for region, parts in self.day.items():
            region_fails = self.chance.random() < 0.05
            for part, rows in parts.items():
                if region_fails or self.chance.random() < 0.03:
                    results.append(failure(region, part, at=at))
                else:
                    results.append(PartListing(region=region, part=part, listed_at=at, rows=tuple(rows.values())))
        return results

    def _regions_of(self, model_id: str) -> list[str]:
        return [region for region, parts in self.day.items() if model_id in parts[MODELS]]

    def _any_model(self) -> str:
        return self.chance.choice(sorted({it for parts in self.day.values() for it in parts[MODELS]}))

    def _some(self, regions: list[str]) -> list[str]:
        return regions if self.chance.random() < 0.5 else [self.chance.choice(regions)]

    def _replace(self, **changes: Any) -> None:
        model_id = self._any_model()
        for region in self._some(self._regions_of(model_id)):
            rows = self.day[region][MODELS]
            rows[model_id] = replace(rows[model_id], **changes)

    def _drop(self, at: datetime) -> None:
        model_id = self._any_model()
        for region in self._some(self._regions_of(model_id)):
            if len(self.day[region][MODELS]) > 1:
                del self.day[region][MODELS][model_id]

    def _add(self, at: datetime) -> None:
        model_id = self._any_model()
        if self.chance.random() < 0.5:
            self.added += 1
            model_id = f"new.model-{self.added}"
        for region in self._some(list(self.day)):
            self.day[region][MODELS].setdefault(model_id, model(model_id))

    def _dates(self, at: datetime) -> None:
        end = self.chance.choice([None, *(at + timedelta(days=it) for it in (-1, 0, 5, 25, 80, 300))])
        self._replace(end_of_life_at=end)

    def _legacy(self, at: datetime) -> None:
        self._replace(
            lifecycle_status=self.chance.choice(["ACTIVE", "LEGACY"]),
            legacy_at=self.chance.choice([None, at + timedelta(hours=self.chance.randrange(1, 60))]),
        )

    def _types(self, at: datetime) -> None:
        self._replace(inference_types=self.chance.choice([*TYPES, ()]))

    def _profile(self, at: datetime) -> None:
        region = self.chance.choice(list(self.day))
        rows = self.day[region][PROFILES]
        if not rows:
            return
        name = self.chance.choice(sorted(rows))
        old: InferenceProfile = rows[name]
        (model_id, places), *_ = old.models
        change = self.chance.randrange(3)
        if change == 0 and len(rows) > 1:
            del rows[name]
        elif change == 1:
            rows[name] = replace(old, status=self.chance.choice(["ACTIVE", "DELETING"]))
        else:
            more = self.chance.choice(["ca-central-1", "mx-central-1"])
            rows[name] = replace(old, models=((model_id, tuple(sorted({*places, more}))),))
