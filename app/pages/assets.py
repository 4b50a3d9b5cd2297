"""The page's static files, read once, under an address that holds their content hash."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).with_name("static")
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One static file, plain and compressed."""

    content_type: str
    body: bytes
    gzipped: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetBundle:
    """All static files and the hash of their names and contents.

    The hash is a folder in the address, so that modules import each other by relative names as they are written.
    """

    digest: str
    assets: dict[str, Asset]


def make_asset(body: bytes, *, content_type: str) -> Asset:
    return Asset(content_type=content_type, body=body, gzipped=gzip.compress(body, 9, mtime=0))


def load_assets(folder: Path = STATIC) -> AssetBundle:
    """Read every file of the folder."""
    digest = hashlib.sha256()
    assets = {}
    for path in sorted(folder.iterdir()):
        body = path.read_bytes()
        digest.update(b"%s\0%d\0" % (path.name.encode(), len(body)))
        digest.update(body)
        assets[path.name] = make_asset(body, content_type=CONTENT_TYPES[path.suffix])
    return AssetBundle(digest=digest.hexdigest()[:16], assets=assets)
