"""What the tests of the page share: a browser, a page that reports every violation, and the stand-in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

from tests.support.page_stub import KEY, StubServer

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parent.parent / "page" / "node_modules" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


@dataclass(slots=True)
class Visit:
    """An open page, what went wrong in it, and the hosts that it spoke to."""

    page: Page
    server: StubServer
    problems: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def open(self, query: str = "", *, key: str | None = KEY) -> Page:
        """Go to the page, with a key in the tab's storage."""
        if key is not None:
            self.page.add_init_script(f"sessionStorage.setItem('catalog-key', {key!r})")
        self.page.goto(f"{self.server.url}/{query}")
        if key is not None and "view=" not in query:
            self.page.locator("#matches").filter(has_text="of").wait_for()
        return self.page

    def names(self) -> list[str]:
        return self.page.locator("#scroller th.model a").all_text_contents()

    def axe_violations(self) -> list[str]:
        """The rules that axe finds broken, each with the first element."""
        script = "(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
        found: dict[str, Any] = self.page.evaluate(script, WCAG)
        return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]


@contextmanager
def visiting(browser: Browser, server: StubServer, **options: Any) -> Iterator[Visit]:
    """A page in a context of its own; a script error or a broken policy fails the test at its end."""
    context: BrowserContext = browser.new_context(locale="en-GB", timezone_id="UTC", **options)
    page = context.new_page()
    page.set_default_timeout(10_000)
    visit = Visit(page=page, server=server)
    page.add_init_script(path=AXE)
    page.add_init_script(
        "globalThis.violations = [];"
        "document.addEventListener('securitypolicyviolation', (event) =>"
        " violations.push(`${event.violatedDirective} ${event.blockedURI}`))"
    )

    def note(message: ConsoleMessage) -> None:
        # The browser reports each 401, 503 and refused connection itself; the tests bring those about.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            visit.problems.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: visit.problems.append(str(error)))
    page.on("request", lambda request: visit.requests.append(request))
    try:
        yield visit
        visit.problems += page.evaluate("globalThis.violations")
    finally:
        context.close()

    assert visit.problems == []
    assert {request.url.split("/")[2] for request in visit.requests} <= {server.url.split("/")[2]}
