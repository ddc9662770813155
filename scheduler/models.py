"""What is the case: nodes and their RDUs, instances, who holds what, and the scheduler's own marks."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from endpoints.models import Endpoint
from scheduler.rules import NODE_STATES, STATES, InstanceState, NodeState
from studio.hub.models import Generation, ModelVersion, RuntimeVersion
from studio.tenants.models import Tenant


class Node(models.Model):
    """A machine with RDUs of one generation. `free` is the counter that a gang of k is taken from.

    `epoch` grows in every transaction that changes what the node should run; `report_number` is the
    newest report taken, with the epoch it had applied. `agent` is the one agent that joined the node.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63, unique=True)
    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="nodes")
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="nodes")
    width = models.PositiveSmallIntegerField()
    free = models.PositiveSmallIntegerField()
    virtual = models.BooleanField(default=False, help_text="No device stands behind its RDUs")
    state = models.CharField(max_length=10, default=NodeState.JOINING)
    state_since = models.DateTimeField(db_default=Now(), editable=False)
    intent = models.CharField(max_length=10, default=NodeState.READY, help_text="ready, cordoned or draining")
    epoch = models.PositiveBigIntegerField(default=1)
    wished_epoch = models.PositiveBigIntegerField(default=0, help_text="Last epoch written to the register")
    sealed_token = models.BinaryField()
    agent = models.CharField(max_length=36, blank=True)
    address = models.CharField(max_length=64, blank=True)
    machine = models.CharField(max_length=80, blank=True)
    report_number = models.PositiveBigIntegerField(default=0)
    applied_epoch = models.PositiveBigIntegerField(default=0)
    silent_seconds = models.FloatField(default=0, help_text="Counted only while control itself could listen")
    heard_at = models.DateTimeField(null=True, blank=True)
    intruder = models.CharField(max_length=36, blank=True, help_text="A second agent that claims this name")
    refusal = models.TextField(blank=True, help_text="Why an agent may not join this node")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(free__gte=0, free__lte=F("width")), name="node_free_within_width"
            ),
            models.CheckConstraint(condition=Q(state__in=list(NODE_STATES)), name="node_state_known"),
            models.CheckConstraint(
                condition=Q(intent__in=["ready", "cordoned", "draining", "removed"]), name="node_intent_known"
            ),
            models.CheckConstraint(condition=Q(width__gte=1), name="node_has_rdus"),
        ]
        # Whoever asks what is free, and where, reads this and no node.
        indexes = [
            models.Index(fields=["generation", "state", "width", "free", "tenant", "name"], name="node_kinds")
        ]

    def __str__(self) -> str:
        return self.name


class Rdu(models.Model):
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="rdus")
    index = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["node", "index"]
        constraints = [models.UniqueConstraint(fields=["node", "index"], name="rdu_index_once")]

    def __str__(self) -> str:
        return f"{self.node}:{self.index}"


LIVE = ["placed", "starting", "warming", "ready", "draining", "lost", "failed"]  # may hold RDUs
# What a person is told of: instances that answer, and those that are known to wait or to have failed for a reason.
TOLD = Q(state="ready") | Q(state__in=["awaiting", "failed"], reason__isnull=False)


class Instance(models.Model):
    """One model server that is wanted, runs, or ran. Which arrows are legal: `scheduler.rules`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="rows")
    ordinal = models.PositiveIntegerField(help_text="Its number in the endpoint, from 1; what people see")
    state = models.CharField(max_length=10, default=InstanceState.AWAITING)
    state_since = models.DateTimeField(db_default=Now())
    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.PROTECT, related_name="instances")
    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="+")
    rdus = models.PositiveSmallIntegerField()
    min_width = models.PositiveSmallIntegerField(default=0)
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    runtime_version = models.ForeignKey(RuntimeVersion, on_delete=models.PROTECT, related_name="+")
    parameters = models.JSONField(default=dict, blank=True)
    config_version = models.PositiveIntegerField()
    replaces = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replaced_by"
    )
    cause = models.CharField(max_length=10, default="create")
    sealed_token = models.BinaryField(null=True, blank=True)
    host = models.CharField(max_length=64, blank=True)
    port = models.PositiveIntegerField(default=0)
    pid = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=1, help_text="Start attempts on this node")
    crashes = models.PositiveIntegerField(default=0, help_text="In a row; a long ready spell clears them")
    retry_at = models.DateTimeField(null=True, blank=True)
    progress = models.JSONField(null=True, blank=True, help_text="{phase, done, total}")
    progress_at = models.DateTimeField(null=True, blank=True)
    reason = models.JSONField(
        null=True, blank=True, help_text="Why it waits or failed, typed; see scheduler.rules"
    )
    log_tail = models.JSONField(default=list, blank=True)
    drain_mode = models.CharField(max_length=5, blank=True, help_text="drain or stop, while leaving")
    drain_seconds = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ready_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["endpoint", "ordinal", "created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=list(STATES)), name="instance_state_known"),
            models.CheckConstraint(
                condition=~Q(state__in=["placed", "starting", "warming", "ready", "draining", "lost"])
                | Q(node__isnull=False),
                name="instance_at_work_has_node",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["awaiting", "stopped"]) | Q(port=0), name="instance_idle_has_no_port"
            ),
            models.CheckConstraint(condition=Q(rdus__gte=1), name="instance_needs_rdus"),
            models.UniqueConstraint(
                fields=["replaces"],
                condition=~Q(state="stopped") & Q(replaces__isnull=False),
                name="instance_replaced_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["generation", "created_at"], condition=Q(state="awaiting"), name="instance_awaiting"
            ),
            models.Index(
                fields=["endpoint", "state"], condition=~Q(state="stopped"), name="instance_of_endpoint"
            ),
            models.Index(
                fields=["node"], condition=~Q(state__in=["stopped", "awaiting"]), name="instance_on_node"
            ),
            models.Index(fields=["-state_since"], condition=TOLD, name="instance_told"),
        ]

    def __str__(self) -> str:
        return (
            f"instance {self.ordinal} of endpoint {self.endpoint_id}"  # its name is for those who may see it
        )


class Allocation(models.Model):
    """An RDU held by an instance. Two live rows for one RDU are impossible here, whatever the code does."""

    rdu = models.ForeignKey(Rdu, on_delete=models.CASCADE, related_name="allocations")
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="allocations")
    allocated_at = models.DateTimeField(db_default=Now())
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rdu"], condition=Q(released_at__isnull=True), name="rdu_held_once"
            )
        ]
        indexes = [
            models.Index(fields=["instance"], condition=Q(released_at__isnull=True), name="allocation_live")
        ]

    def __str__(self) -> str:
        return f"{self.rdu} for {self.instance}"


class Quota(models.Model):
    """RDUs of a generation that a tenant is sure of, and the most it may hold (null: no limit).

    A tenant without a row is sure of none and has no limit. Less than what is held ends nothing: it only places
    nothing new.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="quotas")
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="quotas")
    guaranteed = models.PositiveIntegerField(default=0)
    maximum = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "generation"], name="quota_once"),
            models.CheckConstraint(
                condition=Q(maximum__isnull=True) | Q(guaranteed__lte=F("maximum")),
                name="quota_guaranteed_within_maximum",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.generation_id} of {self.tenant}"


class Demand(models.Model):
    """Counts wishes and releases of a generation: while it moves, there is something to plan.

    A row of its own, locked last by whoever raises it, so that it never crosses the planner's locks.
    """

    generation = models.OneToOneField(
        Generation, on_delete=models.CASCADE, primary_key=True, related_name="demand"
    )
    count = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return self.generation_id


class Placement(models.Model):
    """One planner per generation at a time. `fence` goes up with every holder; `planned` is the demand met."""

    generation = models.OneToOneField(
        Generation, on_delete=models.CASCADE, primary_key=True, related_name="placement"
    )
    planned = models.PositiveBigIntegerField(default=0)
    fence = models.PositiveBigIntegerField(default=0)
    holder = models.CharField(max_length=36, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.generation_id


class Sweep(models.Model):
    """When a sweep last ran; whoever moves the date runs it, so any number of beats is harmless."""

    name = models.CharField(primary_key=True, max_length=40)
    last = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Control(models.Model):
    """The one row about control itself: its incarnation (minted anew after a restore) and its listening."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    incarnation = models.PositiveIntegerField(default=1)
    listened_at = models.DateTimeField(null=True, blank=True)
    resumed_at = models.DateTimeField(null=True, blank=True, help_text="End of control's last absence")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="control_is_one_row")]

    def __str__(self) -> str:
        return f"incarnation {self.incarnation}"
