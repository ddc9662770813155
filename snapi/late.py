"""Commands whose modules are loaded when somebody asks for them: `snapi version` need not know what `node` takes."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.main import get_command_from_info, get_group_from_info
from typer.models import TyperInfo

# name → (module with its `app`, what it is); in the order of the help.
LATE = {
    "completion": (
        "snapi.commands.completion",
        "Print the script that completes commands, options and the names of projects, endpoints and models.",
    ),
    "config": ("snapi.commands.config", "Choose the platform and the tenant."),
    "tenant": ("snapi.commands.tenant", "Tenants, and the RDU generations available to them."),
    "organization": ("snapi.commands.organization", "What holds for every tenant."),
    "user": ("snapi.commands.user", "Users and their roles; for OrgAdmins and TenantAdmins."),
    "app": ("snapi.commands.apps", "ML Apps."),
    "model": ("snapi.commands.model", "Models of the Model Hub."),
    "project": ("snapi.commands.project", "Projects: where a tenant's endpoints stand."),
    "endpoint": ("snapi.commands.endpoint", "Endpoints: models that answer predictions."),
    "platform-key": (
        "snapi.commands.platform_key",
        "The platform API key: what snapi and the REST API take.",
    ),
    "session": ("snapi.commands.session", "Sessions: the browsers in which you are signed in."),
    "audit": ("snapi.commands.audit", "Show the audit of the tenants you administer, newest first."),
    "node": ("snapi.commands.node", "Nodes: the machines whose RDUs endpoints run on."),
}


class LateGroup(typer.core.TyperGroup):
    """The group of `snapi` itself: those of `LATE` behind the commands that it was made with."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.commands: Any = _Commands(self.commands)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            limit = formatter.width - 6 - max(map(len, self.commands))
            formatter.write_dl(
                [(name, self.commands.listed(name).get_short_help_str(limit)) for name in self.commands]
            )


class _Commands(Mapping[str, Any]):
    """Name → command, made at the first look."""

    def __init__(self, ready: Mapping[str, Any]) -> None:
        self._made = dict(ready)
        self._names = [*ready, *LATE]

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module, help_text = LATE[name]
            self._made[name] = _command(name, import_module(module).app, help_text)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def listed(self, name: str) -> Any:
        """The command, or something with its name and help only."""
        return self._made.get(name) or typer.core.TyperCommand(name, help=LATE[name][1])


def _command(name: str, app: typer.Typer, help_text: str) -> Any:
    # As typer does with those that it is told at once.
    if not app.registered_groups and [each.name for each in app.registered_commands] == [name]:
        return get_command_from_info(
            app.registered_commands[0], pretty_exceptions_short=True, rich_markup_mode=None
        )
    info = TyperInfo(app, name=name, help=help_text)
    return get_group_from_info(
        info, pretty_exceptions_short=True, suggest_commands=True, rich_markup_mode=None
    )
