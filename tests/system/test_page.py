"""The page for people in a real browser, over a stand-in for the API."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.page_stub import (
    KEY,
    ApiStub,
    Entry,
    StubServer,
    entry,
    fresh_readiness,
    in_order,
    made_up_catalog,
    rfc3339,
    serving,
    with_profiles,
)
from tests.system.page_browser import AXE, CHROMIUM, Visit, launch, visiting

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
    pytest.mark.skipif(not AXE.exists(), reason="needs `npm ci --prefix tests/page`"),
]

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
OPUS = "anthropic.claude-opus-4-8"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
EU = ["eu-central-1", "eu-west-1"]
PRICES = {"currency": "USD", "per": 1_000_000, "input": "5", "output": "25", "cache_read": None, "cache_write": None}


def small_catalog() -> list[Entry]:
    """Seven models: one of each mark, an ending one, a retired one and one with a hostile name."""
    opus = entry(
        OPUS,
        "Claude Opus 4.8",
        on_demand_regions=["eu-west-1"],
        created_at=rfc3339(NOW - 20 * DAY),
        max_input_tokens=1_000_000,
        max_tokens=128_000,
        aliases=["best"],
        capabilities={"citations": {"supported": True}, "batch": {"supported": False}},
        card={
            "sources": [{"fields": ["prices"], "source": "litellm", "as_of": "2026-11-20"}],
            "prices": PRICES | {"regions": {}},
        },
    )
    destinations = {region: ["eu-central-1", "eu-north-1"] for region in EU}
    global_only = entry("openai.gpt-6", "GPT-6", provider="OpenAI", on_demand_regions=[], max_input_tokens=200_000)
    ending = entry(
        "cohere.command-old",
        "Command Old",
        provider="Cohere",
        lifecycle="deprecated",
        created_at="2024-02-01T00:00:00Z",
        deprecated_at=rfc3339(NOW - 30 * DAY),
        retires_at=rfc3339(NOW + 40 * DAY),
    )
    return in_order(
        [
            *with_profiles(opus, {"eu": dict(destinations), "global": {"us-east-1": ["global"]}}),
            *with_profiles(global_only, {"global": {region: ["global"] for region in ("us-east-1", "eu-west-1")}}),
            ending,
            entry(
                "amazon.image", "Image Maker", provider="Amazon", output_modalities=["IMAGE"], created_at=rfc3339(NOW)
            ),
            entry("meta.unreadable", "Unreadable", provider="Meta", on_demand_regions=[], invoke={}),
            entry("ai21.gone", "Gone", provider="AI21", lifecycle="retired", regions=[], on_demand_regions=[]),
            entry("x'; touch owned; '", HOSTILE, provider=HOSTILE, on_demand_regions=["us-east-1"]),
        ]
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def stub() -> ApiStub:
    return ApiStub(entries=small_catalog())


@pytest.fixture
def server(stub: ApiStub) -> Iterator[StubServer]:
    with serving(stub) as server:
        yield server


@pytest.fixture
def visit(browser: Browser, server: StubServer) -> Iterator[Visit]:
    with visiting(browser, server, viewport={"width": 1280, "height": 800}) as visit:
        yield visit


def cell(page: Page, name: str, region: str) -> str | None:
    """What a screen reader hears in a cell."""
    headings = page.locator("#scroller thead th.region").all_text_contents()
    row = page.locator("#scroller tbody tr", has=page.get_by_role("link", name=name, exact=True))
    return row.locator("td.cell svg").nth(headings.index(region)).get_attribute("aria-label")


def enter_key(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Open the catalog").click()


def pick(page: Page, filter_name: str, *options: str) -> None:
    page.locator("summary", has_text=re.compile(f"^{filter_name}")).click()
    for option in options:
        page.locator(".pick[open]").get_by_label(option, exact=True).check()
    page.keyboard.press("Escape")


# --- the key ---


def test_a_key_is_asked_for_once_and_kept_for_the_tab_alone(visit: Visit, server: StubServer) -> None:
    page = visit.open(key=None)
    enter_key(page, KEY)
    expect(page.locator("#matches")).to_have_text("6 of 7 models")
    page.reload()
    expect(page.locator("#matches")).to_have_text("6 of 7 models")

    assert page.evaluate("[localStorage.length, document.cookie, Object.values(sessionStorage)]") == [0, "", [KEY]]
    assert KEY not in page.url
    other = page.context.new_page()
    other.goto(server.url)
    expect(other.get_by_label("API key")).to_be_focused()


@pytest.mark.parametrize("key", ["wrong", "schlüssel", "a b"])
def test_a_wrong_key_is_refused_and_asked_for_again(visit: Visit, key: str) -> None:
    page = visit.open(key=None)
    enter_key(page, key)
    expect(page.get_by_role("alert").filter(has_text="does not accept this key")).to_be_visible()
    enter_key(page, KEY)

    expect(page.locator("#matches")).to_have_text("6 of 7 models")


def test_a_service_without_keys_asks_for_none(visit: Visit, stub: ApiStub) -> None:
    stub.is_open = True
    page = visit.open(key=None)

    expect(page.locator("#matches")).to_have_text("6 of 7 models")
    expect(page.get_by_role("button", name="Forget key")).to_be_hidden()


def test_a_key_that_is_forgotten_takes_the_catalog_with_it(visit: Visit) -> None:
    page = visit.open(key=None)
    enter_key(page, KEY)
    page.get_by_role("button", name="Forget key").click()

    expect(page.get_by_label("API key")).to_be_focused()
    assert page.evaluate("sessionStorage.length") == 0
    assert "claude" not in page.content().lower().split("<main", 1)[1]


def test_a_key_revoked_while_the_page_is_open_is_asked_for_again(visit: Visit, stub: ApiStub) -> None:
    visit.page.clock.install()
    page = visit.open("?q=claude", key=None)
    enter_key(page, KEY)
    expect(page.locator("#matches")).to_have_text("1 of 7 models")
    stub.keys = {"another-key"}
    page.clock.run_for(61_000)
    expect(page.get_by_text("no longer accepts the key")).to_be_visible()

    assert visit.names() == []
    enter_key(page, "another-key")
    expect(page.locator("#matches")).to_have_text("1 of 7 models")


# --- the table ---


def test_a_cell_says_how_a_model_is_called_there(visit: Visit) -> None:
    page = visit.open()

    assert visit.names()[:2] == ["Image Maker", "Claude Opus 4.8"]
    assert cell(page, "Claude Opus 4.8", "eu-west-1") == "On demand"
    assert cell(page, "Claude Opus 4.8", "eu-central-1") == "Profile in the geography"
    assert cell(page, "Claude Opus 4.8", "us-east-1") == "Global profile only"
    assert cell(page, "Unreadable", "us-east-1") == "Callable, id not known"
    assert cell(page, "Image Maker", "eu-west-1") == "Not there"


def test_each_mark_has_a_shape_of_its_own(visit: Visit) -> None:
    page = visit.open()
    shapes = page.locator("#legend svg").evaluate_all("all => all.map(svg => svg.innerHTML)")

    assert len(shapes) == len(set(shapes)) == 5


ARN = "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/a1"


def of_this_account() -> list[Entry]:
    """What stands in the catalog where all parts are on."""
    checked = {"state": "on_first_use", "reason": "agreementAvailability NOT_AVAILABLE", "checked_at": rfc3339(NOW)}
    own = {"kind": "provisioned_model", "regions": ["eu-west-1"], "on_demand_regions": [], "base_model_id": OPUS}
    return [
        entry(OPUS, "Claude Opus 4.8", mantle={"us-east-1": OPUS, "us-west-2": OPUS}, access=checked),
        entry("z.mantle", "Mantle Only", regions=[], on_demand_regions=[], invoke={}, mantle={"eu-west-1": "z.mantle"}),
        entry(ARN, "Ours", **own, invoke={"eu-west-1": ARN}, status="InService"),
        entry(f"{ARN}2", "Ours, being made", **own, invoke={}, status="Creating"),
    ]


def test_what_this_account_alone_can_call_has_marks_of_its_own(visit: Visit, stub: ApiStub) -> None:
    stub.replace(of_this_account())
    page = visit.open()

    assert cell(page, "Mantle Only", "eu-west-1") == "On the endpoint Mantle alone"
    assert cell(page, "Claude Opus 4.8", "us-west-2") == "On the endpoint Mantle alone"
    assert cell(page, "Claude Opus 4.8", "us-east-1") == "On demand"
    assert cell(page, "Ours", "eu-west-1") == "Of the account's own, by ARN"
    assert cell(page, "Ours, being made", "eu-west-1") == "Not there"
    shapes = page.locator("#legend svg").evaluate_all("all => all.map(svg => svg.innerHTML)")
    assert len(shapes) == len(set(shapes)) == 6
    assert visit.axe_violations() == []


@pytest.mark.parametrize(
    ("model", "texts", "has_lines"),
    [
        (OPUS, ["On first use (agreementAvailability NOT_AVAILABLE)", f"Also on Mantle: {OPUS}"], True),
        ("z.mantle", ["eu-west-1", "Mantle"], False),
        (ARN, ["Provisioned model", "Made of", "InService", "By its ARN"], True),
        (f"{ARN}2", ["Creating", "No region of the catalog can call this model."], False),
    ],
)
def test_a_model_says_what_this_account_may_call(
    visit: Visit, stub: ApiStub, model: str, texts: list[str], has_lines: bool
) -> None:
    stub.replace(of_this_account())
    page = visit.open(f"?model={model}")
    sheet = page.get_by_role("dialog")

    for text in texts:
        expect(sheet).to_contain_text(text)
    # The lines call the runtime endpoint.
    assert (page.locator(".lines").count() == 1) is has_lines


def test_a_geography_folds_into_one_column(visit: Visit) -> None:
    page = visit.open()
    page.get_by_role("button", name=re.compile("^Europe")).click()
    button = page.get_by_role("button", name=re.compile("^Europe"))
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")

    assert page.locator("#scroller thead th.region").all_text_contents() == ["us-east-1"]
    assert "fold=europe" in page.url
    expect(page.locator("td.folded svg").nth(1)).to_have_attribute("aria-label", "2 of 2 regions, best: On demand")


def test_a_long_list_is_a_few_rows_in_the_document(browser: Browser) -> None:
    with (
        serving(ApiStub(entries=made_up_catalog(2000))) as server,
        visiting(browser, server, viewport={"width": 1280, "height": 800}) as visit,
    ):
        page = visit.open()
        expect(page.locator("#matches")).to_have_text(re.compile(r"^1,\d{3} of 2,000 models$"))
        assert len(visit.names()) < 60
        expect(page.locator("#scroller table")).to_have_attribute("aria-rowcount", re.compile(r"1\d{3}"))
        page.locator("#scroller th.model a").first.focus()
        page.keyboard.press("End")

        last = page.locator("#scroller tbody tr:not(.gap)").last
        expect(last.locator("a")).to_be_focused()
        expect(last.locator("a")).to_be_in_viewport()
        assert last.get_attribute("aria-rowindex") == page.locator("#scroller table").get_attribute("aria-rowcount")
        assert len(visit.names()) < 60


def test_the_header_and_the_first_column_stay(visit: Visit, stub: ApiStub) -> None:
    stub.replace(made_up_catalog(150))
    page = visit.open()
    page.locator("#scroller").evaluate("(element) => element.scrollTo(300, 2000)")
    expect(page.locator("#scroller tbody tr").nth(1)).not_to_have_attribute("aria-rowindex", "3")

    expect(page.get_by_role("columnheader", name="us-west-2")).to_be_in_viewport()
    box, scroller = page.locator("#scroller th.model").nth(1).bounding_box(), page.locator("#scroller").bounding_box()
    assert box and scroller and box["x"] == scroller["x"]


def test_arrow_keys_move_and_enter_opens(visit: Visit) -> None:
    page = visit.open()
    page.locator("#scroller th.model a").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Claude Opus 4.8")
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("link", name="Claude Opus 4.8")).to_be_focused()


# --- filters, sorting, the URL ---


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?q=opus", ["Claude Opus 4.8"]),
        ("?q=best", ["Claude Opus 4.8"]),
        ("?q=eu.anthropic", ["Claude Opus 4.8"]),
        ("?maker=OpenAI&maker=Cohere", ["GPT-6", "Command Old"]),
        ("?modality=out:IMAGE", ["Image Maker"]),
        ("?region=eu-central-1", ["Claude Opus 4.8"]),
        ("?region=eu-*", ["Claude Opus 4.8", "GPT-6"]),
        ("?within=eu-*", ["Claude Opus 4.8"]),
        ("?within=eu-west-1", ["Claude Opus 4.8"]),
        ("?within=eu-central-1", []),
        ("?within=global", ["Claude Opus 4.8", "GPT-6"]),
        ("?within=eu-*&region=us-*", []),
        ("?lifecycle=retired", ["Gone"]),
        ("?capability=citations", ["Claude Opus 4.8"]),
        ("?capability=batch", []),
        ("?min_input_tokens=200000", ["Claude Opus 4.8", "GPT-6"]),
        ("?min_output_tokens=8000", ["Claude Opus 4.8"]),
        ("?maker=OpenAI&maker=Anthropic&sort=context", ["Claude Opus 4.8", "GPT-6"]),
        ("?maker=OpenAI&maker=Anthropic&sort=-context", ["GPT-6", "Claude Opus 4.8"]),
    ],
)
def test_a_link_shows_what_its_filters_say(visit: Visit, query: str, names: list[str]) -> None:
    visit.page.add_init_script(f"sessionStorage.setItem('catalog-key', {KEY!r})")
    visit.open(query, key=None)
    expect(visit.page.locator("#matches")).to_contain_text("No model" if not names else f"{len(names)} of 7")

    assert visit.names() == names


@pytest.mark.parametrize(
    "query", ["?view=x&sort=x&lifecycle=x&min_input_tokens=-1&fold=x&region=(*", "?q=%00&within=["]
)
def test_a_link_that_means_nothing_still_opens_the_page(visit: Visit, query: str) -> None:
    visit.page.add_init_script(f"sessionStorage.setItem('catalog-key', {KEY!r})")
    page = visit.open(query, key=None)

    expect(page.locator("#matches")).to_contain_text("model")


def test_the_controls_filter_and_the_url_says_so(visit: Visit) -> None:
    page = visit.open()
    pick(page, "Maker", "Anthropic", "OpenAI")
    pick(page, "Region", "eu-west-1")
    page.get_by_label("Processed within").select_option("eu-*")
    page.get_by_label("Sort by").select_option("name")
    page.get_by_label("Search").fill("claude")
    expect(page.locator("#matches")).to_have_text("1 of 7 models")
    page.wait_for_url("**q=claude**")
    url = page.url
    page.reload()
    expect(page.locator("#matches")).to_have_text("1 of 7 models")

    assert page.url == url
    assert "maker=Anthropic&maker=OpenAI" in url
    expect(page.get_by_label("Search")).to_have_value("claude")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("#matches")).to_have_text("6 of 7 models")


def test_a_heading_sorts_and_turns_the_order(visit: Visit) -> None:
    page = visit.open()
    heading = page.get_by_role("columnheader", name="Model")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    ascending = visit.names()
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")

    assert visit.names() == list(reversed(ascending))


# --- one model ---


def test_a_model_says_everything_that_is_known(visit: Visit) -> None:
    page = visit.open(f"?model={OPUS}&at=eu-central-1")
    sheet = page.get_by_role("dialog", name="Claude Opus 4.8")

    for text in ("1,000,000 tokens", "128,000 tokens", "5.00", "25.00", "litellm, 2026-11-20", "not a bill", "best"):
        expect(sheet).to_contain_text(text)
    row = sheet.get_by_role("row", name=re.compile("^eu-central-1"))
    expect(row).to_contain_text(f"eu.{OPUS}")
    expect(row).to_contain_text("eu-central-1, eu-north-1")
    expect(sheet.get_by_role("row", name=re.compile("^us-east-1"))).to_contain_text("Any commercial region")
    expect(
        sheet.get_by_role("img", name="Called from eu-central-1, processed in eu-central-1, eu-north-1")
    ).to_be_visible()


def test_back_closes_a_model(visit: Visit) -> None:
    page = visit.open()
    page.get_by_role("link", name="Claude Opus 4.8").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()

    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_a_button_copies_the_id_to_send(browser: Browser, server: StubServer, has_clipboard: bool) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    with visiting(browser, server, permissions=permissions) as visit:
        if not has_clipboard:
            # A page over plain HTTP has none.
            visit.page.add_init_script(
                "navigator.clipboard.writeText = undefined; globalThis.copied = [];"
                "document.addEventListener('copy', () => copied.push(document.activeElement.value));"
            )
        page = visit.open(f"?model={OPUS}")
        page.get_by_role("row", name=re.compile("^eu-central-1")).get_by_role("button").click()
        expect(page.locator("#announcer")).to_have_text("Copied")

        script = "navigator.clipboard.readText()" if has_clipboard else "copied[0]"
        assert page.evaluate(script) == f"eu.{OPUS}"


@pytest.mark.parametrize(
    ("tool", "lines"),
    [
        ("curl", f"bedrock-runtime.eu-central-1.amazonaws.com/model/eu.{OPUS}/converse"),
        ("Anthropic SDK", f'model="eu.{OPUS}"'),
        ("Claude Code", f"export ANTHROPIC_MODEL=eu.{OPUS}"),
        ("OpenAI SDK", "does not serve Anthropic's models"),
    ],
)
def test_lines_to_paste_name_the_region_and_the_id(visit: Visit, tool: str, lines: str) -> None:
    page = visit.open(f"?model={OPUS}&at=eu-central-1")
    page.get_by_role("radio", name=tool).check()

    expect(page.locator(".lines")).to_contain_text(lines)


def test_a_model_that_is_not_there_is_said_to_be_missing(visit: Visit) -> None:
    page = visit.open("?model=no-such-model")

    expect(page.get_by_role("dialog")).to_contain_text("not in the catalog")


def test_a_hostile_name_is_text_and_a_hostile_id_is_quoted(visit: Visit) -> None:
    page = visit.open("?q=owned")
    page.get_by_role("link", name="<img").click()
    sheet = page.get_by_role("dialog")
    expect(sheet.get_by_role("heading", level=2)).to_have_text(HOSTILE)

    assert page.locator("img").count() == 0
    assert page.title() != "owned"
    lines = sheet.locator(".lines pre").text_content()
    assert lines and "'\\''" in lines and "x'; touch" not in lines


# --- lifecycle, freshness ---


def test_the_timeline_shows_ends_and_releases_and_the_table_says_the_same(visit: Visit) -> None:
    page = visit.open("?view=lifecycle")
    picture = page.get_by_role("img", name="Timeline of releases")
    expect(picture).to_be_visible()

    assert picture.locator("text.label").all_text_contents() == ["Command Old", "Image Maker", "Claude Opus 4.8"]
    rows = page.locator("#timeline tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text(re.compile("Ends in (39|40) days"))
    page.get_by_label("Search").fill("opus")
    expect(rows).to_have_count(1)


def with_failures() -> dict[str, Any]:
    readiness = fresh_readiness()
    failure = {"code": "AccessDeniedException", "action": "bedrock:ListInferenceProfiles", "failed_at": rfc3339(NOW)}
    parts = [
        {"part": "models", "state": "fresh", "age_seconds": 60, "failure": None},
        {"part": "profiles", "state": "stale", "age_seconds": 7300, "failure": failure},
    ]
    readiness["regions"][5] |= {"region": "eu-west-9", "state": "partial", "parts": parts}
    readiness["regions"][6] |= {
        "region": "me-south-9",
        "state": "missing",
        "age_seconds": None,
        "failure": {"code": "UnrecognizedClientException", "failed_at": None},
    }
    del readiness["regions"][6]["parts"]
    return readiness


def test_freshness_names_the_part_the_reason_and_the_permission(visit: Visit, stub: ApiStub) -> None:
    stub.readiness = with_failures()
    page = visit.open("?view=freshness")
    partial = page.get_by_role("row", name=re.compile("^eu-west-9"))

    expect(partial).to_contain_text("Inference profiles: the role lacks the permission bedrock:ListInferenceProfiles")
    expect(partial).to_contain_text("2 hours ago")
    expect(page.get_by_role("row", name=re.compile("^me-south-9"))).to_contain_text("has not opted in to this region")
    expect(page.locator("#age")).to_contain_text("29 of 31 regions fresh")


def test_freshness_is_shown_without_a_key(visit: Visit) -> None:
    page = visit.open("?view=freshness", key=None)

    expect(page.locator("#freshness")).to_contain_text("The catalog is up to date.")


# --- refresh ---


def test_an_unchanged_catalog_costs_304s_and_a_changed_one_is_shown(visit: Visit, stub: ApiStub) -> None:
    visit.page.clock.install()
    page = visit.open()
    page.clock.run_for(61_000)
    page.wait_for_timeout(300)
    assert stub.statuses == [200, 304]
    stub.replace([*small_catalog(), entry("new.model", "Brand New", created_at=rfc3339(NOW))])
    page.clock.run_for(61_000)

    expect(page.locator("#matches")).to_have_text("7 of 8 models")
    expect(page.get_by_role("link", name="Brand New")).to_be_visible()


def test_a_service_that_is_gone_is_named_and_what_is_shown_stays(visit: Visit, server: StubServer) -> None:
    visit.page.clock.install()
    page = visit.open("?q=opus")
    # Kept-alive connections would outlive the server.
    server.stop()
    page.route("**/search_models?*", lambda route: route.abort("connectionrefused"))
    page.clock.run_for(61_000)
    expect(page.locator("#banner")).to_contain_text("cannot be reached since")
    expect(page.locator("#banner")).to_contain_text("What you see is from")
    assert visit.names() == ["Claude Opus 4.8"]
    page.unroute("**/search_models?*")
    server.start()
    page.get_by_role("button", name="Try now").click()

    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator("#announcer")).to_have_text("The service can be reached again.")


def test_a_service_without_a_catalog_says_why_and_is_asked_again(visit: Visit, stub: ApiStub) -> None:
    visit.page.clock.install()
    stub.unavailable = "no region has answered yet: AccessDeniedException in 2 of 2 regions"
    page = visit.open("?view=models", key=KEY)
    expect(page.locator("#banner")).to_contain_text("AccessDeniedException in 2 of 2 regions")
    stub.unavailable = None
    page.clock.run_for(6_000)

    expect(page.locator("#matches")).to_have_text("6 of 7 models")
    expect(page.locator("#banner")).to_be_hidden()


def test_a_catalog_of_several_pages_is_read_whole(visit: Visit, stub: ApiStub) -> None:
    stub.replace(made_up_catalog(900))
    page = visit.open()
    expect(page.locator("#matches")).to_have_text(re.compile(r"^\d+ of 900 models$"))

    assert stub.statuses == [200] * -(-len(stub.entries) // 1000)


# --- looks ---

VIEWS = ["", "?view=lifecycle", "?view=freshness", f"?model={OPUS}&at=eu-central-1"]


@pytest.mark.parametrize("query", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(browser: Browser, server: StubServer, query: str, scheme: Any, width: int) -> None:
    size = {"width": width, "height": 740}
    with visiting(browser, server, viewport=size, color_scheme=scheme, reduced_motion="reduce") as visit:
        page = visit.open(query)
        expect(page.locator("#age")).to_contain_text("regions fresh")

        assert visit.axe_violations() == []
        # Only the table and what lies in a region of its own scroll sideways.
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_the_key_is_asked_for(browser: Browser, server: StubServer, scheme: Any) -> None:
    with visiting(browser, server, color_scheme=scheme) as visit:
        page = visit.open(key=None)
        enter_key(page, "wrong")
        expect(page.locator("#key-error")).not_to_be_empty()

        assert visit.axe_violations() == []


def test_axe_finds_nothing_in_open_filters_and_in_the_banner(visit: Visit, stub: ApiStub) -> None:
    page = visit.open()
    stub.unavailable = "gone"
    page.evaluate("document.getElementById('check').click()")
    expect(page.locator("#banner")).to_be_visible()
    page.locator("summary", has_text="Region").click()

    assert visit.axe_violations() == []


def test_dark_and_light_follow_the_system(browser: Browser, server: StubServer) -> None:
    with visiting(browser, server, color_scheme="dark") as visit:
        page = visit.open()
        script = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(script)
        page.emulate_media(color_scheme="light")

        assert (dark, page.evaluate(script)) == ("rgb(18, 21, 24)", "rgb(246, 247, 248)")


def test_on_a_telephone_the_geographies_are_folded_and_the_filters_behind_a_button(
    browser: Browser, server: StubServer
) -> None:
    with visiting(browser, server, viewport={"width": 360, "height": 740}) as visit:
        page = visit.open()
        assert page.locator("#scroller thead th.region").count() == 0
        expect(page.get_by_label("Processed within")).to_be_hidden()
        page.get_by_role("button", name="Filters").click()
        page.get_by_label("Processed within").select_option("eu-*")

        expect(page.get_by_role("button", name="Filters (1)")).to_be_visible()
        expect(page.locator("#matches")).to_have_text("1 of 7 models")


@pytest.mark.parametrize(
    ("query", "content"),
    [
        ("", "#scroller th.model a"),
        ("?view=lifecycle", "#timeline table a"),
        ("?view=freshness", "main table tbody tr"),
        ("?model={id}", "dialog table tbody tr"),
    ],
)
def test_a_view_prints_to_two_pages_at_most(visit: Visit, stub: ApiStub, query: str, content: str) -> None:
    stub.replace(made_up_catalog(150))
    model = next(one["id"] for one in stub.entries if len(one["regions"]) == 31 and one["kind"] == "model")
    page = visit.open(query.format(id=model))
    # A page that is still empty would print well.
    page.locator(content).locator("visible=true").first.wait_for()
    pdf = page.pdf(prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))

    assert 1 <= pages <= 2


def test_chromium_is_the_distribution_s() -> None:
    assert shutil.which("chromium") == str(CHROMIUM)
