"""The table of settings in docs/configuration.md: `python -m tests.support.settings_table` (make docs) writes it."""

from dataclasses import Field, fields
from typing import Any

from config import ServerSettings, Settings
from tests.support.servers import PROJECT

GUIDE = PROJECT / "docs" / "configuration.md"
BEGIN = "<!-- settings: written by `make docs` from config/ -->\n\n"
END = "\n<!-- end of settings -->\n"


def table() -> str:
    """One row for each setting, with its default and meaning, in Markdown."""
    rows = [_row(setting) for setting in (*fields(Settings), *fields(ServerSettings))]
    return "\n".join(["| name | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _row(setting: "Field[Any]") -> str:
    default = setting.default
    if isinstance(default, bool):
        default = str(default).lower()
    elif isinstance(default, tuple):
        default = ",".join(default)
    shown = f"`{default}`" if default not in ("", None) else ""
    return f"| `{setting.metadata['name']}` | {shown} | {setting.metadata['meaning']} |"


def with_table(text: str) -> str:
    """The guide's text with the current table between its markers."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table()}{END}{tail}"


if __name__ == "__main__":
    GUIDE.write_text(with_table(GUIDE.read_text()))
