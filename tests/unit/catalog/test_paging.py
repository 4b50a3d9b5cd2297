"""Pages by cursor: any catalog, any page size, both directions, across a refresh."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.catalog.entries import CatalogEntry
from app.catalog.next_snapshot import next_snapshot
from app.catalog.paging import Page, key_of, page_of, sort_key
from app.catalog.records import EPOCH, FoundationModel
from app.catalog.snapshot import CatalogSnapshot
from app.catalog.view import ListFilter
from tests.support.builders import NOW, day, listing, model, numbered, snapshot, view

REGION = "us-east-1"

# Few dates, so that many models share one.
ROWS = st.dictionaries(
    st.text(alphabet="abcAB.:-09é", min_size=1, max_size=3),
    st.one_of(st.none(), st.integers(0, 3).map(day)),
    max_size=25,
)
MAX_PAGES = 200
CatalogOf = dict[str, object]


def rows(catalog: CatalogOf) -> list[FoundationModel]:
    return [model(model_id, start_of_life_at=date) for model_id, date in catalog.items()]


def page(snapshot: CatalogSnapshot, limit: int, *, after: str | None = None, before: str | None = None) -> Page:
    catalog = view(snapshot)
    entries = catalog.entry_list(ListFilter())
    return page_of(
        entries.entries,
        limit=limit,
        after=catalog.cursor("after_id", after, entries),
        before=catalog.cursor("before_id", before, entries),
    )


def walk_forward(now: Callable[[], CatalogSnapshot], limit: int, start: str | None = None) -> list[Page]:
    pages = [page(now(), limit, after=start)]
    while pages[-1].has_more:
        assert len(pages) < MAX_PAGES, "it goes round"
        pages.append(page(now(), limit, after=pages[-1].last_id))
    return pages


def walk_backward(now: Callable[[], CatalogSnapshot], limit: int, start: str) -> list[Page]:
    pages = [page(now(), limit, before=start)]
    while pages[-1].has_more:
        assert len(pages) < MAX_PAGES, "it goes round"
        pages.append(page(now(), limit, before=pages[-1].first_id))
    return pages


def ids(*pages: Page) -> list[str]:
    return [entry.id for page in pages for entry in page.entries]


@given(ROWS, st.integers(1, 30))
def test_paging_forward_gives_the_whole_list_in_full_pages(catalog: CatalogOf, limit: int) -> None:
    found = snapshot(listing(REGION, *rows(catalog)))

    pages = walk_forward(lambda: found, limit)

    assert ids(*pages) == [model.id for model in found.models]
    assert all(len(page.entries) == limit for page in pages[:-1])
    assert [page.has_more for page in pages] == [True] * (len(pages) - 1) + [False]


@given(ROWS.filter(bool), st.integers(1, 30))
def test_paging_backward_gives_all_before_the_cursor_in_full_pages(catalog: CatalogOf, limit: int) -> None:
    found = snapshot(listing(REGION, *rows(catalog)))
    listed = [model.id for model in found.models]

    pages = walk_backward(lambda: found, limit, start=listed[-1])

    assert ids(*reversed(pages)) == listed[:-1]
    assert all(len(page.entries) == limit for page in pages[:-1])


@given(ROWS.filter(bool), st.integers(1, 30), st.data())
def test_a_page_back_from_a_page_forward_is_where_one_came_from(
    catalog: CatalogOf, limit: int, data: st.DataObject
) -> None:
    found = snapshot(listing(REGION, *rows(catalog)))
    start = data.draw(st.sampled_from([model.id for model in found.models]))

    there = page(found, limit, after=start)

    if there.first_id is not None:
        assert page(found, 1, before=there.first_id).last_id == start


@given(ROWS, st.integers(1, 30), st.integers(0, 2))
def test_a_filter_gives_full_pages_of_what_it_keeps(catalog: CatalogOf, limit: int, kept: int) -> None:
    found = snapshot(listing(REGION, *rows(catalog)))

    def keep(entry: CatalogEntry) -> bool:
        return sum(map(ord, entry.id)) % 3 == kept

    pages: list[Page] = []
    while not pages or pages[-1].has_more:
        assert len(pages) < MAX_PAGES, "it goes round"
        after = sort_key(pages[-1].entries[-1]) if pages else None
        pages.append(page_of(found.models, limit=limit, after=after, keep=keep))

    assert ids(*pages) == [model.id for model in found.models if keep(model)]
    assert all(len(page.entries) == limit for page in pages[:-1])


class Refreshed:
    """A catalog that takes its next state after some pages."""

    def __init__(self, states: list[CatalogOf], pages_between: int) -> None:
        self._states = states
        self._pages_between = pages_between
        self._asked = 0
        self.snapshot = snapshot(listing(REGION, *rows(states[0])))

    def __call__(self) -> CatalogSnapshot:
        self._asked += 1
        if self._asked % (self._pages_between + 1) == 0 and len(self._states) > 1:
            self._states = self._states[1:]
            self.snapshot = next_snapshot(
                self.snapshot,
                listing(REGION, *rows(self._states[0])),
                source="aws",
                regions=(REGION,),
                at=NOW + timedelta(minutes=self._asked),
                max_stale=timedelta(days=1),
            )
        return self.snapshot


@st.composite
def refreshes(draw: st.DrawFn) -> list[CatalogOf]:
    """States of one catalog: models come and go, none changes its date."""
    every = draw(ROWS.filter(bool))
    names = st.sets(st.sampled_from(sorted(every)), min_size=1)
    return [{name: every[name] for name in draw(names)} for _ in range(draw(st.integers(2, 4)))]


@given(refreshes(), st.integers(1, 6), st.integers(1, 3))
def test_paging_forward_across_refreshes_loses_and_repeats_nothing(
    states: list[CatalogOf], limit: int, pages_between: int
) -> None:
    found = ids(*walk_forward(Refreshed(states, pages_between), limit))

    assert len(found) == len(set(found))
    assert set.intersection(*map(set, states)) <= set(found)


@given(refreshes(), st.integers(1, 6), st.integers(1, 3), st.data())
def test_paging_backward_across_refreshes_loses_and_repeats_nothing(
    states: list[CatalogOf], limit: int, pages_between: int, data: st.DataObject
) -> None:
    catalog = Refreshed(states, pages_between)
    listed = [model.id for model in catalog.snapshot.models]
    start = data.draw(st.sampled_from(listed))

    found = ids(*walk_backward(catalog, limit, start))

    assert len(found) == len(set(found))
    throughout = set.intersection(*map(set, states))
    assert throughout & set(listed[: listed.index(start)]) <= set(found)
    assert start not in found


def test_a_page_before_holds_the_items_nearest_the_cursor_in_list_order() -> None:
    seven = numbered(7)

    first = page(seven, 3, before="m6")
    second = page(seven, 3, before="m3")

    assert (ids(first), first.has_more) == (["m3", "m4", "m5"], True)
    assert (ids(second), second.has_more) == (["m0", "m1", "m2"], False)


def test_has_more_speaks_of_the_direction_asked_for() -> None:
    seven = numbered(7)

    assert not page(seven, 3, after="m3").has_more
    assert not page(seven, 3, before="m3").has_more
    assert page(seven, 2, after="m3").has_more
    assert page(seven, 2, before="m3").has_more


def test_a_page_of_exactly_the_rest_has_no_more() -> None:
    assert not page(numbered(7), 7).has_more
    assert page(numbered(7), 6).has_more


def test_an_empty_page_has_no_ids() -> None:
    seven = numbered(7)

    for empty in (page(seven, 3, after="m6"), page(seven, 3, before="m0"), page(numbered(0), 3)):
        assert (empty.entries, empty.has_more, empty.first_id, empty.last_id) == ((), False, None, None)


def test_a_list_is_in_the_order_of_its_keys_newest_first_then_by_id() -> None:
    dates = [(day(9), "b"), (day(5), "a"), (day(5), "b"), (EPOCH, "a")]

    keys = [key_of(created_at, entry_id) for created_at, entry_id in dates]

    assert keys == sorted(keys)


def test_a_cursor_is_a_place_that_needs_no_entry() -> None:
    entries = numbered(4).models
    between = key_of(day(3), "m11")

    assert ids(page_of(entries, limit=9, after=between)) == ["m2", "m3"]
    assert ids(page_of(entries, limit=9, before=between)) == ["m0", "m1"]
