"""The WSGI application: `gunicorn -c gunicorn.conf.py wsgi:app`; `flask catalog ...` finds it here, too."""

import os
import sys

from app import create_app
from config import ConfigError, read_settings

try:
    app = create_app(read_settings(os.environ))
except ConfigError as error:
    sys.exit(f"Not started: {error}")
