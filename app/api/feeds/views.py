"""The routes of what changed and what will end."""

from flask import Blueprint

from app.api.queries import Queries
from app.api.query_view import add_query_route


def make_blueprint(queries: Queries) -> Blueprint:
    blueprint = Blueprint("feeds", __name__)
    add_query_route(blueprint, "/changes", "list_changes", queries.list_changes)
    add_query_route(blueprint, "/changes.atom", "changes_feed", queries.changes_feed)
    add_query_route(blueprint, "/retirements", "list_retirements", queries.list_retirements)
    add_query_route(blueprint, "/retirements.ics", "retirements_calendar", queries.retirements_calendar)
    return blueprint
