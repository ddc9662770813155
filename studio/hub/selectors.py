"""Reading the Model Hub: models the actor may see and deploy, grouped as the picker shows them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact

from studio.errors import Invalid, NotFound, invalid_field
from studio.hub.models import DeployOption, Generation, MLApp, Model, ModelVersion, RuntimeVersion
from studio.hub.rules import read_arch
from studio.sharing.selectors import ASKED_BY, facts_of, shared_with
from studio.statements import WORD, bring_all, statement
from studio.tenants.rules import ALL_TENANTS, Actor, Facts

BASE_SENTENCE = "Base models do not support inference and cannot be deployed for endpoints."
BASE_ADVICE = "It is recommended to use Base models for training and not inference."
COMPOSITE_GENERATION = "SN40L"  # Compositions of Experts run on this one only


def facts(actor: Actor, model: Model) -> Facts:
    if model.tenant_id is None:
        return Facts(tenant=None, provided=True)
    owners = frozenset({model.owner_id} if model.owner_id else ())
    return facts_of(actor, model.tenant_id, owners, (Model, model.pk, model.general_access))


def visible(actor: Actor) -> QuerySet[Model]:
    """The provider's models, the actor's own, and those shared with them; by name. See `complete`."""
    models = Model.objects.select_related("app", "owner")
    if actor.is_org_admin:
        return models.order_by("name", "id")
    administered = [tenant for tenant, role in actor.tenants.items() if role == "tenant_admin"]
    shared = Q(general_access__in=["tenant_viewer", "tenant_editor"], tenant__in=list(actor.tenants))
    return models.filter(
        Q(tenant=None)
        | Q(owner=actor.id)
        | Q(tenant__in=administered)
        | Q(general_access=ALL_TENANTS)
        | shared
        | shared_with(actor, Model)
    ).order_by("name", "id")


@statement(actor=ASKED_BY, most=WORD)
def listed(actor: Actor, most: int | None) -> QuerySet[Model]:
    return visible(actor)[:most]


@statement(actor=ASKED_BY)
def seen(actor: Actor, pks: list[UUID]) -> QuerySet[Model, tuple[UUID, str]]:
    """Those of these that are among the visible ones, with their names."""
    return _plain(actor).filter(pk__in=pks).values_list("pk", "name")


def _plain(actor: Actor) -> QuerySet[Model]:
    """The models alone, in no order."""
    return visible(actor).select_related(None).order_by()


def model_named(actor: Actor, name_or_id: str) -> Model:
    """By id or name; the actor's own before the provider's. Raises `NotFound` at `model_checkpoint`."""
    wanted = name_or_id.strip()
    try:
        found = _with_id(actor, UUID(wanted))
    except ValueError:
        found = []
    found = found or _called(actor, wanted)
    found.sort(key=lambda model: (model.owner_id != actor.id, model.is_provided))
    if not found:
        raise NotFound(
            f"There is no model {wanted!r}.", {"model_checkpoint": f"There is no model {wanted!r}."}
        )
    return complete(found[:1])[0]


@statement(actor=ASKED_BY)
def _called(actor: Actor, name: str) -> QuerySet[Model]:
    return visible(actor).filter(Exact(Lower("name"), Lower(Value(name))))


@statement(actor=ASKED_BY)
def _with_id(actor: Actor, pk: UUID) -> QuerySet[Model]:
    return visible(actor).filter(pk=pk)


def version_of(model: Model, number: str | int | None) -> ModelVersion:
    """The version asked for, the newest when none is. Raises `Invalid` at `model_version`."""
    versions = sorted(model.versions.all(), key=lambda version: -version.number)
    if number in (None, ""):
        if versions:
            return versions[0]
    else:
        for version in versions:
            if str(version.number) == str(number).strip():
                return version
    names = ", ".join(str(version.number) for version in reversed(versions)) or "none"
    raise invalid_field("model_version", f"{model.name} has no version {str(number)!r}; there are: {names}.")


def runtime_for(app: MLApp) -> RuntimeVersion:
    """The runtime that serves the ML App's task; the first by name where several do."""
    found = _runtimes_for(app.task)
    if not found:
        raise NotFound(f"No runtime for {app.get_task_display().lower()} is installed; an operator adds one.")
    return found[0]


@statement()
def _runtimes_for(task: str) -> QuerySet[RuntimeVersion]:
    versions = RuntimeVersion.objects.select_related("runtime").filter(runtime__task=task)
    return versions.order_by("runtime__name", "number")[:1]


@dataclass(frozen=True, slots=True)
class Deployable:
    """A model as the *Select model* drop-down lists it. `refusal` says why it cannot be chosen."""

    id: UUID
    name: str
    is_base: bool
    group: str  # "My models", "Shared models" or "<Provider> models"
    refusal: str


def deployable_models(actor: Actor, app: MLApp | None = None) -> list[Deployable]:
    """Every model of the ML App (all without one), grouped and in the order of the drop-down.

    One query, and no more of each model than an entry says: there may be hundreds.
    """
    found = [
        Deployable(
            pk, name, is_base, _group(actor, tenant, owner), _why_not(name, is_base, versions, options)
        )
        for pk, name, is_base, tenant, owner, versions, options in _entries(actor, app.pk if app else None)
    ]
    order = {"My models": 0, "Shared models": 1}
    return sorted(found, key=lambda item: (order.get(item.group, 2), item.name.lower(), item.name, item.id))


@statement(actor=ASKED_BY)
def _entries(actor: Actor, app: UUID | None) -> QuerySet[Model, Any]:
    own = {"model": OuterRef("pk")}
    rows = _plain(actor) if app is None else _plain(actor).filter(app=app)
    return rows.values_list(
        "pk", "name", "is_base", "tenant_id", "owner_id",
        Exists(ModelVersion.objects.filter(**own)), Exists(DeployOption.objects.filter(**own)),
    )  # fmt: skip


def whole(model: UUID) -> Model:
    """A model that is offered, with its versions and deploy options."""
    return complete(_offered(model))[0]


@statement()
def _offered(pk: UUID) -> QuerySet[Model]:
    return Model.objects.select_related("app").filter(pk=pk)


def complete(models: list[Model]) -> list[Model]:
    """Brings the versions and deploy options of models that are read already."""
    bring_all(models, "versions", _versions_of)
    bring_all(models, "deploy_options", _options_of)
    return models


@statement()
def _versions_of(models: list[UUID]) -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(model__in=models).order_by("-number")


@statement()
def _options_of(models: list[UUID]) -> QuerySet[DeployOption]:
    return DeployOption.objects.filter(model__in=models).order_by("rank")


def options_of(model: Model) -> list[DeployOption]:
    """Where the model can be deployed, in its own order of preference. Empty for a Base model."""
    if model.is_base:
        return []
    options = sorted(model.deploy_options.all(), key=lambda option: option.rank)
    if model.app.composite:
        return [option for option in options if option.generation_id == COMPOSITE_GENERATION]
    return options


def parameter_labels(model: UUID, generation: str) -> dict[str, str]:
    """Name of a model parameter → what people read."""
    fields = [field for params in _params_of(model, generation) for field in params]
    return {field["name"]: field.get("label") or field["name"] for field in fields}


@statement()
def _params_of(model: UUID, generation: str) -> QuerySet[DeployOption, Any]:
    return DeployOption.objects.filter(model=model, generation=generation).values_list("params", flat=True)


def option_for(model: Model, arch: str) -> tuple[DeployOption, int]:
    """(deploy option, least node width) for an `--arch`. Raises `Invalid` at `model_checkpoint` or `rdu_arch`."""
    options = options_of(model)
    if not options:
        raise invalid_field("model_checkpoint", _refusal(model) or f"{model.name} cannot be deployed.")
    code, width = _read_arch(arch, [option.generation_id for option in options])
    for option in options:
        if option.generation_id == code:
            return option, width
    names = ", ".join(option.generation_id for option in options)
    raise invalid_field("rdu_arch", f"{model.name} cannot be deployed on {code}; it can on: {names}.")


def _read_arch(arch: str, offered: Iterable[str]) -> tuple[str, int]:
    """Only of one that is not offered it has to be asked whether there is such a generation."""
    try:
        return read_arch(arch, offered)
    except Invalid:
        return read_arch(arch, Generation.objects.values_list("code", flat=True))


def apps() -> QuerySet[MLApp]:
    return MLApp.objects.order_by("name")


all_apps = statement()(apps)


def _group(actor: Actor, tenant: UUID | None, owner: UUID | None) -> str:
    if tenant is None:
        return f"{settings.PROVIDER} models"
    return "My models" if owner == actor.id else "Shared models"


def _refusal(model: Model) -> str:
    return _why_not(model.name, model.is_base, bool(model.versions.all()), bool(model.deploy_options.all()))


def _why_not(name: str, is_base: bool, has_versions: bool, has_options: bool) -> str:
    if is_base:
        return BASE_SENTENCE
    if not has_versions:
        return f"{name} has no version yet."
    return "" if has_options else f"{name} lists no RDU generation it can be deployed on."


# ----- the Model Hub's list -------------------------------------------------------------------------------

PROVIDED = "provider"  # as an owner: nobody's, the provider's


@dataclass(frozen=True, slots=True)
class Filters:
    """What narrows the list; "" is all. `owner` is a user's id or `PROVIDED`."""

    field: str = ""
    app: str = ""
    architecture: str = ""
    owner: str = ""
    search: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters offer, [(value, label)]: every ML App, else what the models that the actor may see have.

    `models`: how many these are.
    """

    fields: list[tuple[str, str]]
    apps: list[tuple[str, str]]
    architectures: list[tuple[str, str]]
    owners: list[tuple[str, str]]
    models: int


@dataclass(frozen=True, slots=True)
class Card:
    """A model as the hub lists it. `size` in bytes, of its newest version; `refusal`: why none can be deployed."""

    model: Model
    newest: ModelVersion | None
    size: int
    generations: list[str]
    refusal: str


def choices(actor: Actor) -> Choices:
    """In two queries, however many models there are."""
    found = _kinds(actor)
    return Choices(
        fields=_sorted((field, field.capitalize()) for field, *_ in found),
        apps=[(str(app.pk), app.name) for app in all_apps()],
        architectures=_sorted((architecture, architecture) for _, architecture, *_ in found),
        owners=_sorted(_owner(actor, owner, name) for _, _, owner, name, _ in found),
        models=sum(many for *_, many in found),
    )


@statement(actor=ASKED_BY)
def _kinds(actor: Actor) -> QuerySet[Model, Any]:
    kinds = ("field_of_application", "architecture", "owner_id", "owner__username")
    return _plain(actor).values_list(*kinds).annotate(Count("pk"))


def narrowed(models: QuerySet[Model], filters: Filters) -> QuerySet[Model]:
    """Each word of the search stands somewhere in what the card says."""
    if filters.field:
        models = models.filter(field_of_application=filters.field)
    if filters.app:
        models = models.filter(app=UUID(filters.app))
    if filters.architecture:
        models = models.filter(architecture=filters.architecture)
    if filters.owner:
        models = models.filter(owner=None if filters.owner == PROVIDED else UUID(filters.owner))
    for word in filters.search.split():
        models = models.filter(_mentions(word))
    return models


def card(model: Model) -> Card:
    newest = max(model.versions.all(), key=lambda version: version.number, default=None)
    return Card(
        model=model,
        newest=newest,
        size=size_of(newest) if newest else 0,
        generations=[option.generation_id for option in options_of(model)],
        refusal=_refusal(model),
    )


def size_of(version: ModelVersion) -> int:
    """Bytes of the checkpoint's files."""
    return sum(int(file["size"]) for file in version.manifest)


def _mentions(word: str) -> Q:
    places = ("name", "description", "publisher", "architecture", "field_of_application", "app__name")
    found = Q(owner__username__icontains=word)
    for place in places:
        found |= Q(**{f"{place}__icontains": word})
    return found


def _owner(actor: Actor, owner: UUID | None, name: str | None) -> tuple[str, str]:
    if owner is None:
        return PROVIDED, settings.PROVIDER
    return str(owner), f"{name} (you)" if owner == actor.id else str(name)


def _sorted(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted({pair for pair in pairs if pair[0]}, key=lambda pair: pair[1].casefold())
