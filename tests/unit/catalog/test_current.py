"""The holder of the current snapshot: nothing is served before there is a model."""

import pytest

from app.catalog.current import Catalog, CatalogUnavailable
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
