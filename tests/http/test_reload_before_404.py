"""A request that names something unknown has the stored catalog looked at first: another worker may have told of it."""

import threading

import pytest

from app.catalog.codec import encode_state
from app.refresh.file_store import file_store
from app.services import services_of
from tests.conftest import MakeApp, client_of
from tests.support.builders import day, listing, model, snapshot

EAST = "us-east-1"
REGIONS = (EAST, "eu-west-1")


@pytest.mark.parametrize(
    ("question", "found", "never"),
    [
        ("/anthropic/v1/models?after_id=b", ["a"], "/anthropic/v1/models?after_id=never"),
        ("/anthropic/v1/models?region=eu-west-1", ["b"], "/anthropic/v1/models?region=eu-west-9"),
        ("/anthropic/v1/models/b", ["b"], "/anthropic/v1/models/never"),
        ("/v1/models/b", ["b"], "/v1/models/never"),
        ("/search_models?after_id=b", ["a"], "/search_models?after_id=never"),
        ("/search_models?provider=Other", ["b"], "/search_models?provider=never"),
    ],
)
def test_what_another_worker_told_of_is_known_to_a_worker_that_has_not_followed_yet(
    make_app: MakeApp, question: str, found: list[str], never: str
) -> None:
    app = make_app(snapshot(listing(EAST, model("a"))), regions=REGIONS)
    newer = [listing(EAST, model("a")), listing("eu-west-1", model("b", start_of_life_at=day(9), provider="Other"))]
    state = snapshot(*newer, configured_regions=REGIONS).state
    store = file_store(services_of(app).settings)
    with store.lease() as lease:
        store.save(encode_state(state), lease)

    body = client_of(app).get(question).get_json()

    assert [row["id"] for row in body.get("data", [body])] == found
    assert client_of(app).get(never).status_code == (400 if "?" in never else 404)


def test_a_question_for_something_unknown_leaves_the_refresher_free(make_app: MakeApp) -> None:
    app = make_app(snapshot(listing(EAST, model("a"))))
    asking = threading.Thread(target=client_of(app).get, args=("/v1/models/unknown",))
    asking.start()
    asking.join()
    publishing = services_of(app).refresher._follower._publishing

    assert publishing.acquire(timeout=1)
    publishing.release()


def test_a_question_for_something_unknown_does_not_wait_for_a_disk_that_hangs(make_app: MakeApp) -> None:
    app = make_app(snapshot(listing(EAST, model("a"))))
    saving, done = threading.Event(), threading.Event()

    def save() -> None:
        with services_of(app).refresher._follower._publishing:
            saving.set()
            done.wait(30)

    saver = threading.Thread(target=save)
    saver.start()
    saving.wait()
    answer = client_of(app).get("/v1/models/unknown")
    still_saving = not done.is_set() and saver.is_alive()
    done.set()
    saver.join()

    assert answer.status_code == 404
    assert still_saving
