"""The Model Hub: ML Apps, models and their versions, where they can be deployed, and runtimes."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from studio.projects.models import GENERAL_ACCESS, GENERAL_ACCESS_VALUES, SHARE_ROLES
from studio.tenants.models import Tenant


class Generation(models.Model):
    """A kind of accelerator: SN40L, SN30, and whatever an operator adds (H200, MI300X, CPU)."""

    code = models.CharField(primary_key=True, max_length=20)
    device_env = models.CharField(max_length=40, default="STUDIO_RDUS")
    rank = models.PositiveSmallIntegerField(
        default=100, help_text="Order of preference where a model has none"
    )

    class Meta:
        ordering = ["rank", "code"]

    def __str__(self) -> str:
        return self.code


class MLApp(models.Model):
    """A kind of task. A Composition of Experts app is served on SN40L only."""

    class Task(models.TextChoices):
        CHAT = "chat", "Chat"
        EMBEDDING = "embedding", "Embedding"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63, unique=True)
    description = models.CharField(max_length=500, blank=True)
    task = models.CharField(max_length=10, choices=Task, default=Task.CHAT)
    composite = models.BooleanField("Composition of Experts", default=False)

    class Meta:
        verbose_name = "ML App"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Model(models.Model):
    """A model of the hub. The provider's have no owner and no tenant and are seen by everybody."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.ForeignKey(MLApp, on_delete=models.PROTECT, related_name="models")
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="models")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="models"
    )
    name = models.CharField(max_length=120)
    aliases = models.JSONField(default=list, blank=True)
    description = models.TextField(blank=True)
    card = models.TextField(blank=True)
    architecture = models.CharField(max_length=80, blank=True)
    field_of_application = models.CharField(max_length=40, default="language")
    publisher = models.CharField(max_length=80)
    dataset = models.JSONField(default=dict, blank=True)
    is_base = models.BooleanField("Base model", default=False)
    general_access = models.CharField(max_length=13, choices=GENERAL_ACCESS, default="private")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        permissions = SHARE_ROLES
        constraints = [
            models.UniqueConstraint(
                Lower("name"), condition=Q(tenant__isnull=True), name="model_name_once_of_provider"
            ),
            models.UniqueConstraint(
                "tenant", Lower("name"), condition=Q(tenant__isnull=False), name="model_name_once_in_tenant"
            ),
            models.CheckConstraint(
                condition=Q(owner__isnull=True, tenant__isnull=True)
                | Q(owner__isnull=False, tenant__isnull=False),
                name="model_owner_has_tenant",
            ),
            models.CheckConstraint(
                condition=Q(general_access__in=GENERAL_ACCESS_VALUES), name="model_access_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def names(self) -> list[str]:
        """Every name a client may say for it, its own first."""
        return [self.name, *(alias for alias in self.aliases if alias != self.name)]

    @property
    def is_provided(self) -> bool:
        return self.tenant_id is None


class ModelVersion(models.Model):
    """One checkpoint of a model: a folder of the store and the manifest that every node verifies."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    path = models.CharField(max_length=255, help_text="Folder, relative to the checkpoint store")
    manifest = models.JSONField(default=list, help_text="[{path, size, sha256}]")
    steps = models.PositiveIntegerField(default=0)
    validation_loss = models.FloatField(null=True, blank=True)
    validation_accuracy = models.FloatField(null=True, blank=True)
    context_length = models.PositiveIntegerField(default=512)
    notes = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["model", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="version_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="version_number_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.number}"


class DeployOption(models.Model):
    """A generation a model can be deployed on, and how many RDUs of a single node one instance takes.

    `params`: [{name, label, description, type, default, min, max, user_modifiable}]; `model_parallel_rdus`
    among them sets the RDUs of an instance.
    """

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="deploy_options")
    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="deploy_options")
    rank = models.PositiveSmallIntegerField(
        default=0, help_text="Position in the model's list; first is preferred"
    )
    rdus = models.PositiveSmallIntegerField(default=1)
    params = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["model", "rank"]
        constraints = [
            models.UniqueConstraint(fields=["model", "generation"], name="deploy_option_once"),
            models.CheckConstraint(condition=Q(rdus__gte=1), name="deploy_option_needs_rdus"),
        ]

    def __str__(self) -> str:
        return f"{self.model} on {self.generation_id}"


class Runtime(models.Model):
    """How a checkpoint becomes a model server: a launch template, no code. See `scheduler.wire.Runtime`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63, unique=True)
    task = models.CharField(
        max_length=10, choices=MLApp.Task, default=MLApp.Task.CHAT, help_text="Of the ML Apps it serves"
    )
    argv = models.JSONField(
        help_text="Argument list; fields {path} {gguf} {host} {port} {name} {rdus} {devices} {parallel} {python}"
    )
    env = models.JSONField(default=dict, blank=True)
    token_file_env = models.CharField(max_length=60, blank=True)
    token_env = models.CharField(max_length=60, blank=True)
    health_path = models.CharField(max_length=80, default="/health")
    warmup_path = models.CharField(max_length=80, default="/v1/completions")
    metrics_path = models.CharField(max_length=80, blank=True)
    in_flight_metrics = models.JSONField(default=list, blank=True)
    start_seconds = models.PositiveIntegerField(default=120, help_text="Without progress")
    stop_seconds = models.PositiveIntegerField(default=5)
    parallel = models.PositiveSmallIntegerField(
        default=0, help_text="Requests an instance works on at once; 0 for as many as come"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(token_file_env="") | ~Q(token_env=""), name="runtime_checks_a_token"
            ),
            models.CheckConstraint(condition=Q(task__in=MLApp.Task.values), name="runtime_task_known"),
        ]

    def __str__(self) -> str:
        return self.name


class RuntimeVersion(models.Model):
    """What "Model Infrastructure" is updated to."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    runtime = models.ForeignKey(Runtime, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    env = models.JSONField(default=dict, blank=True)
    notes = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["runtime", "-number"]
        constraints = [models.UniqueConstraint(fields=["runtime", "number"], name="runtime_version_once")]

    def __str__(self) -> str:
        return f"{self.runtime} {self.number}"
