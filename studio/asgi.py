"""The web process: GUI, management REST API and admin, under uvicorn."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

application = get_asgi_application()

from endpoints.routing import Publisher  # noqa: E402  after Django is set up

Publisher().start()
