"""What each part of CATALOG_PARTS costs: calls, time, connections and the discovery child's CPU.

`.venv/bin/python -m benchmarks.bench_parts`: regions at 150 ms a call stand in for AWS and for Mantle. Each part is
asked beside the base parts, a project beside them, then all of them together. Access is no part of a refresh.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass

import boto3
from moto import mock_aws
from rich.console import Console
from rich.table import Table

from app.catalog.parts import OWN_PARTS
from app.catalog.records import BASE_PARTS
from config import ACCESS, PARTS, Settings
from tests.support.bedrock_standin import account_row, model_row
from tests.support.mantle_standin import ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, MantleStandin, mantle_row
from tests.support.project_standin import Project, ProjectStandin, program_row
from tests.support.servers import PROJECT

LATENCY_MS = 150
MODELS_A_REGION = 100
ROWS_A_PART = 20
PROJECT_ID = "proj_bench"
REFRESHES_A_DAY = 24 * 3600 // Settings().refresh_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One run of the discovery child: what it asked and what it took."""

    calls: int
    seconds: float
    cpu_s: float
    connections: int
    lines: int


def visit(regions: list[str], parts: tuple[str, ...], *, project: str = "") -> Visit:
    with (
        mock_aws(),
        ProjectStandin(regions, latency_ms=LATENCY_MS, models=MODELS_A_REGION) as standin,
        MantleStandin(*regions, latency_ms=LATENCY_MS) as mantle,
    ):
        of_project = Project(
            models=[model_row(f"maker.gated-{number}") for number in range(ROWS_A_PART)],
            programs=[program_row("program", "enabled")],
        )
        standin.projects = {(region, PROJECT_ID): of_project for region in regions}
        mantle.rows = {it: [mantle_row(f"maker.mantle-{number}") for number in range(ROWS_A_PART)] for it in regions}
        for name, region in standin.regions.items():
            for part in OWN_PARTS:
                rows = [account_row(part, f"{part}-{number}", region=name) for number in range(ROWS_A_PART)]
                setattr(region, part, rows)
        environ = os.environ | standin.environ
        environ |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        environ |= {"AWS_SESSION_TOKEN": SESSION_TOKEN, "AWS_ENDPOINT_URL_BEDROCK_MANTLE": mantle.url}
        environ |= {"CATALOG_PARTS": ",".join(parts), "AWS_BEDROCK_PROJECT": project, "AUTH_DISABLED": "true"}
        began = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-m", "app.discovery"], cwd=PROJECT, env=environ, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        lines = len(child.stdout.read().splitlines()) - 1
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        child.stdout.close()
        if child.returncode != 0:
            raise SystemExit(f"the child ended with {child.returncode}")
        return Visit(
            calls=sum(standin.calls.values()) + len(mantle.seen),
            seconds=time.monotonic() - began,
            cpu_s=usage.ru_utime + usage.ru_stime,
            connections=standin.most_in_flight,
            lines=lines,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=31)
    parser.add_argument("--rounds", type=int, default=3, help="the least CPU and time of so many runs")
    chosen = parser.parse_args()
    names = boto3.Session().get_available_regions("bedrock")[: chosen.regions]
    table = Table(title=f"{len(names)} regions, {LATENCY_MS} ms a call")
    for heading in ("parts", "calls a refresh", "a day", "seconds", "CPU s", "connections"):
        table.add_column(heading, justify="left" if heading == "parts" else "right")
    listed = tuple(it for it in PARTS if it != ACCESS)
    for label, parts, project in (
        ("models, profiles", BASE_PARTS, ""),
        *((f"+ {part}", (*BASE_PARTS, part), "") for part in listed if part not in BASE_PARTS),
        ("+ a project in each region", BASE_PARTS, PROJECT_ID),
        ("all of these", listed, PROJECT_ID),
    ):
        runs = [visit(names, parts, project=project) for _ in range(chosen.rounds)]
        least = min(runs, key=lambda run: run.cpu_s)
        table.add_row(
            label,
            str(least.calls),
            str(least.calls * REFRESHES_A_DAY),
            f"{min(run.seconds for run in runs):.1f}",
            f"{least.cpu_s:.2f}",
            str(max(run.connections for run in runs)),
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
