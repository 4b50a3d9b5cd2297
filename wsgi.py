"""The WSGI application: `gunicorn -c gunicorn.conf.py wsgi:app`; `flask catalog ...` finds it here, too."""

import os
import sys

import click

from app import create_app
from config import ConfigError, read_settings

# Flask's command line imports this within a click context, gunicorn never does; `flask run` serves.
context = click.get_current_context(silent=True)
is_command = context is not None and context.info_name != "run"
try:
    app = create_app(read_settings(os.environ), for_commands=is_command)
except ConfigError as error:
    sys.exit(f"Not started: {error}")
