"""The WSGI application: `gunicorn -c gunicorn.conf.py wsgi:app`; `flask catalog ...` finds it here, too."""

import os
import sys

import click

from app import create_app
from config import ConfigError, read_settings

try:
    # Flask's command line imports this within a click context, gunicorn never does.
    app = create_app(read_settings(os.environ), for_commands=click.get_current_context(silent=True) is not None)
except ConfigError as error:
    sys.exit(f"Not started: {error}")
