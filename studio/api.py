"""The management REST API: every app's door at `/api/`. Predictions are not here; they are the gateway's."""

from ninja import Swagger

import apikeys.api
import endpoints.api
import endpoints.moves.api
import endpoints.usage.api
import endpoints.watching
import scheduler.api
import studio.accounts.api
import studio.audit.api
import studio.hub.api
import studio.people.api
import studio.projects.api
import studio.sharing.api
import studio.tenants.api
from studio import json_api

DESCRIPTION = """\
Everything the pages can do. Sign in with your platform API key (`Authorization: Bearer <key>`); the header or
cookie `tenant` (name or id) chooses the tenant, else your default tenant is meant. Tenants, projects, endpoints,
models and apps are named by name or id. Lists give `next`, to be sent back as `cursor` for the next page.
Every refusal is `{code, message, fields}`.
"""

api = json_api.new_api("Studio", "1", DESCRIPTION)
api.docs = Swagger(settings={"persistAuthorization": True})
api.add_router("", studio.tenants.api.router)
api.add_router("", studio.accounts.api.router)
api.add_router("", studio.people.api.router)
api.add_router("", studio.hub.api.router)
api.add_router("", studio.projects.api.router)
api.add_router("", endpoints.api.router)
api.add_router("", endpoints.moves.api.router)
api.add_router("", endpoints.watching.router)
api.add_router("", apikeys.api.router)
api.add_router("", endpoints.usage.api.router)
api.add_router("", scheduler.api.router)
api.add_router("", studio.sharing.api.router)
api.add_router("", studio.audit.api.router)

urls = json_api.addresses(api)
