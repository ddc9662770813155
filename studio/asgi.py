"""The web process: GUI, management REST API and admin, under uvicorn."""

import gc
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
# A request has a thread of its own, and without a pool a new connection too.
os.environ.setdefault("STUDIO_DATABASE_POOL", "1")

application = get_asgi_application()

from endpoints.routing import Publisher  # noqa: E402  after Django is set up
from studio import urls  # noqa: E402, F401  here and not at the first request

# What is loaded now stays: without this a full collection walks all of it, 0.15 s in the middle of an answer.
gc.freeze()
# A page makes thousands of objects, most of which go with it: to look through them every 700 is a tenth of its time.
gc.set_threshold(5_000)
Publisher().start()
