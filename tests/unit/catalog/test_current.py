"""The holder of the current snapshot: nothing is served before there is a model."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.catalog.current import MAX_VIEWS, Catalog, CatalogUnavailable
from app.catalog.scope import EntryPatterns, Scope
from app.catalog.snapshot import CatalogSnapshot
from tests.support.builders import failures, listing, model, snapshot


@pytest.mark.parametrize("published", [None, snapshot(failures=failures("us-east-1")), snapshot(listing("us-east-1"))])
def test_without_a_model_there_is_nothing_to_serve(published: CatalogSnapshot | None) -> None:
    catalog = Catalog(published)

    assert catalog.latest is published
    with pytest.raises(CatalogUnavailable):
        catalog.current()


def test_what_was_published_last_is_served() -> None:
    catalog = Catalog()
    published = snapshot(listing("us-east-1", model("a")))

    catalog.publish(published)

    assert catalog.current() is catalog.latest is published


def test_the_views_of_the_scopes_that_were_used_last_are_kept() -> None:
    catalog = Catalog(snapshot(listing("us-east-1", model("a"))))
    first, *others = (Scope(name=f"s{number}") for number in range(MAX_VIEWS + 1))
    kept = catalog.view(first)
    evicted = catalog.view(others[0])
    for scope in others[1:]:
        assert catalog.view(first) is kept
        catalog.view(scope)

    assert catalog.view(first) is kept and catalog.published.holds(kept)
    assert not catalog.published.holds(evicted)
    assert catalog.view(others[0]) is not evicted
    assert catalog.view(others[0]).models == evicted.models


def test_threads_that_want_a_new_view_at_once_get_one() -> None:
    catalog = Catalog(snapshot(listing("us-east-1", *(model(f"m{number}") for number in range(200)))))
    scope = Scope(excluded=EntryPatterns(("m1*",)))
    with ThreadPoolExecutor(8) as pool:
        views = list(pool.map(lambda _: catalog.view(scope), range(64)))

    assert len(set(map(id, views))) == 1
