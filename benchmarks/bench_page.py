"""`make bench-page`: the page for people at 150, 1,500 and 15,000 models in 31 regions.

Debian's chromium opens the page over a stand-in for the API on loopback, a fresh browser context each time. First paint
is the browser's own; the first rows are seen when the table has some and a frame has been drawn; a filter is timed from
the change of its control to the drawn frame.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from tests.support.page_stub import KEY, ApiStub, StubServer, made_up_catalog, serving
from tests.system.page_browser import launch

SIZES = (150, 1_500, 15_000)
AIM_PAINT_MS, AIM_FILTER_MS = 1_000, 100
RESULTS = Path(__file__).parent / "results" / "page.json"
WATCH = """
sessionStorage.setItem('catalog-key', %s);
globalThis.marks = {};
(function look() {
  const hasRows = document.querySelector('#scroller tbody a');
  if (!marks.rows && hasRows) requestAnimationFrame(() => { marks.rows ??= performance.now(); });
  const text = document.querySelector('#matches')?.textContent ?? '';
  if (text && !text.includes('Read')) marks.whole = performance.now();
  else requestAnimationFrame(look);
})();
"""
# What the browser received with its headers, the document among it.
SENT = """
(() => {
  const sent = {data: 0, assets: 0};
  for (const one of [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]) {
    sent[one.name.includes('/search_models') ? 'data' : 'assets'] += one.transferSize;
  }
  return sent;
})()
"""
# Each control in turn, from the change to the frame that shows it.
FILTER = """
async ([id, value]) => {
  const control = document.getElementById(id);
  const began = performance.now();
  if (control.type === 'search') {
    control.value = value;
    control.form.requestSubmit();
  } else {
    control.value = value;
    control.dispatchEvent(new Event('change', {bubbles: true}));
  }
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - began;
}
"""
FILTERS = (
    ("q", "anthropic"),
    ("q", ""),
    ("within", "eu-*"),
    ("within", ""),
    ("context", "200000"),
    ("context", "0"),
    ("sort", "price_input"),
    ("sort", "name"),
    ("sort", "created"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one size costs; milliseconds, and bytes as they are sent."""

    models: int
    entries: int
    first_paint_ms: float
    first_rows_ms: float
    whole_ms: float
    filter_median_ms: float
    filter_worst_ms: float
    asset_bytes: int
    data_bytes: int
    refresh_bytes: int


def measure_once(browser: Browser, server: StubServer) -> dict[str, Any]:
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    try:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.add_init_script(WATCH % json.dumps(KEY))
        page.goto(server.url)
        # Playwright's own waiting evaluates a string, which the page's policy forbids.
        while not page.evaluate("globalThis.marks.whole"):
            page.wait_for_timeout(50)
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        marks = page.evaluate("marks")
        page.wait_for_timeout(200)
        sent = page.evaluate(SENT)
        filters = [page.evaluate(FILTER, list(change)) for change in FILTERS]
        page.evaluate("performance.clearResourceTimings()")
        answered = len(server.stub.statuses) + -(-len(server.stub.entries) // 1000)
        page.evaluate("document.getElementById('check').click()")
        while len(server.stub.statuses) < answered:
            page.wait_for_timeout(50)
        page.wait_for_timeout(200)
        refreshed = page.evaluate(SENT)
        return {
            "paint": paint,
            "rows": marks["rows"],
            "whole": marks["whole"],
            "filters": filters,
            "data": sent["data"],
            "assets": sent["assets"],
            "refresh": refreshed["data"] + refreshed["assets"],
        }
    finally:
        context.close()


def measure(browser: Browser, models: int, rounds: int) -> Result:
    stub = ApiStub(entries=made_up_catalog(models))
    with serving(stub) as server:
        measure_once(browser, server)
        runs = [measure_once(browser, server) for _ in range(rounds)]
    filters = [one for run in runs for one in run["filters"]]
    return Result(
        models=models,
        entries=len(stub.entries),
        first_paint_ms=median(run["paint"] for run in runs),
        first_rows_ms=median(run["rows"] for run in runs),
        whole_ms=median(run["whole"] for run in runs),
        filter_median_ms=median(filters),
        filter_worst_ms=max(filters),
        asset_bytes=runs[0]["assets"],
        data_bytes=runs[0]["data"],
        refresh_bytes=runs[0]["refresh"],
    )


def show(results: list[Result]) -> None:
    table = Table(title=f"The page; aims: first rows {AIM_PAINT_MS} ms, a filter {AIM_FILTER_MS} ms")
    names = (
        "models",
        "entries",
        "first paint",
        "first rows",
        "whole list",
        "filter (median)",
        "filter (worst)",
        "page KB",
        "data KB",
        "refresh KB",
    )
    for name in names:
        table.add_column(name, justify="right")
    for one in results:
        times = (one.first_paint_ms, one.first_rows_ms, one.whole_ms, one.filter_median_ms, one.filter_worst_ms)
        sizes = (one.asset_bytes, one.data_bytes, one.refresh_bytes)
        table.add_row(
            f"{one.models:,}",
            f"{one.entries:,}",
            *(f"{value:,.0f} ms" for value in times),
            *(f"{value / 1000:,.1f}" for value in sizes),
        )
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with sync_playwright() as playwright:
        browser = launch(playwright)
        results = [measure(browser, models, rounds) for models in SIZES]
        browser.close()
    show(results)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
