"""The operator's file (CATALOG_CONFIG_FILE): read whole or refused, and read again while the service runs."""
