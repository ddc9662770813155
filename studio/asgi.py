"""The web process: GUI, management REST API and admin, under uvicorn."""

import gc
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
# A request has a thread of its own, and without a pool a new connection too.
os.environ.setdefault("STUDIO_DATABASE_POOL", "1")

django = get_asgi_application()

from endpoints.routing import Publisher  # noqa: E402  after Django is set up
from studio import urls  # noqa: E402, F401  here and not at the first request
from studio.bounds import BoundedBodies  # noqa: E402

application = BoundedBodies(django)

# What is loaded now stays: without this a full collection walks all of it, 0.15 s in the middle of an answer.
gc.freeze()
Publisher().start()
