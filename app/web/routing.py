"""How paths are matched."""

from flask import Flask
from werkzeug.routing import PathConverter


class AnyPath(PathConverter):
    """The rest of a path, which werkzeug's own converter cuts: ids may begin with a slash or hold a line feed."""

    part_isolating = False
    regex = r"(?s:.+)"


def init_app(app: Flask) -> None:
    # Clients follow no redirect: a path with a slash more is the same path, or none.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["path"] = AnyPath
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
