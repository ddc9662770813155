"""`/api/apps` and `/api/models`: what the Model Hub offers and on which generations it can be deployed."""

from typing import Any

from ninja import Router, Schema

from studio.hub import selectors
from studio.hub.models import DeployOption, MLApp, Model
from studio.json_api import ApiRequest, moment, named
from studio.json_docs import looks
from studio.paging import PAGE, page
from studio.tenants.rules import Actor

router = Router(tags=["models"])

DEPLOY = "deploy"


class AppOut(Schema):
    id: str
    name: str
    description: str
    task: str
    composite: bool


class Apps(Schema):
    apps: list[AppOut]
    next: str | None


class OneApp(Schema):
    apps: AppOut


class ModelOut(Schema):
    model_id: str
    model_checkpoint_name: str
    version: str
    versions: list[str]
    status: str
    app_id: str
    app_name: str
    architecture: str
    field_of_application: str
    type: str
    dependencies: list[dict[str, str]]
    jobTypes: list[str]
    archs: list[str]
    hyperparams: dict[str, dict[str, Any]]
    validation_loss: float | None
    validation_accuracy: float | None
    dataset: dict[str, Any]
    sambanova_provided: bool
    publisher: str
    owner: str
    description: str
    created_time: str
    steps: int


class Models(Schema):
    models: list[ModelOut]
    next: str | None


@router.get("/apps", response=looks(Apps), summary="List ML Apps", tags=["apps"])
def list_apps(request: ApiRequest, cursor: str | None = None, limit: int = PAGE) -> dict[str, Any]:
    rows, following = page(selectors.apps().order_by("name", "id"), cursor, limit)
    return {"apps": [_app(row) for row in rows], "next": following}


@router.get("/apps/{app}", response=looks(OneApp), summary="An ML App", tags=["apps"])
def app_info(request: ApiRequest, app: str) -> dict[str, Any]:
    return {"apps": _app(named(selectors.apps(), app, "app"))}


@router.get("/models", response=looks(Models), summary="List models")
def list_models(
    request: ApiRequest,
    app: str | None = None,
    job_type: str | None = None,
    name: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> dict[str, Any]:
    """Models you can see; `app` (name or id), `job_type` and `name` narrow the list."""
    rows = selectors.visible(request.auth)
    if app is not None:
        rows = rows.filter(app=named(selectors.apps(), app, "app"))
    if name is not None:
        rows = rows.filter(name__iexact=name)
    if job_type is not None:
        rows = rows.filter(pk__in=_deployable(request.auth)) if job_type == DEPLOY else rows.none()
    found, following = page(rows, cursor, limit)
    shown = selectors.complete(found)
    return {"models": [_model(row, job_type, None) for row in shown], "next": following}


@router.get("/models/{model}", response=looks(ModelOut), summary="A model")
def model_info(
    request: ApiRequest, model: str, job_type: str | None = None, version: str | None = None
) -> dict[str, Any]:
    """`hyperparams.deploy` has a key for each generation the model can be deployed on, with its parameters."""
    return _model(selectors.model_named(request.auth, model), job_type, version)


def _app(app: MLApp) -> dict[str, Any]:
    return {
        "id": str(app.pk),
        "name": app.name,
        "description": app.description,
        "task": app.task,
        "composite": app.composite,
    }


def _model(model: Model, job_type: str | None, number: str | None) -> dict[str, Any]:
    options = selectors.options_of(model)
    version = selectors.version_of(model, number)
    return {
        "model_id": str(model.pk),
        "model_checkpoint_name": model.name,
        "version": str(version.number),
        "versions": [str(each.number) for each in sorted(model.versions.all(), key=lambda each: each.number)],
        "status": "Available",
        "app_id": str(model.app_id),
        "app_name": model.app.name,
        "architecture": model.architecture,
        "field_of_application": model.field_of_application,
        "type": "Composite" if model.app.composite else "Model",
        "dependencies": [],
        "jobTypes": [DEPLOY] if options else [],
        "archs": [option.generation_id for option in options],
        "hyperparams": _hyperparams(options, job_type),
        "validation_loss": version.validation_loss,
        "validation_accuracy": version.validation_accuracy,
        "dataset": model.dataset,
        "sambanova_provided": model.is_provided,
        "publisher": model.publisher,
        "owner": model.owner.username if model.owner else "",
        "description": model.description,
        "created_time": moment(model.created_at),
        "steps": version.steps,
    }


def _deployable(actor: Actor) -> list[Any]:
    return [each.id for each in selectors.deployable_models(actor) if not each.refusal]


def _hyperparams(options: list[DeployOption], job_type: str | None) -> dict[str, dict[str, Any]]:
    if job_type not in (None, DEPLOY):
        return {str(job_type): {}}
    return {
        DEPLOY: {
            option.generation_id.lower(): {
                "imageVariants": [],
                "user_params": [_user_param(param) for param in option.params],
            }
            for option in options
        }
    }


def _user_param(param: dict[str, Any]) -> dict[str, Any]:
    limits = {"ge": param.get("min"), "le": param.get("max")}
    constraints = {name: limit for name, limit in limits.items() if limit is not None}
    return {
        "FIELD_NAME": param["name"],
        "DESCRIPTION": param.get("description", ""),
        "TYPE_SPECIFIC_SETTINGS": {
            DEPLOY: {
                "DEFAULT": str(param.get("default")),
                "USER_MODIFIABLE": param.get("user_modifiable", True),
            }
        },
        "CONSTRAINTS": constraints or None,
    }
