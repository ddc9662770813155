"""The verbs of administrators, beside those that everybody has."""

from snapi.client import Client, Json


class Administrator(Client):
    # Tenants

    def archived_tenants(self) -> Json:
        """Of those that the user administers."""
        return self._all("data", "tenants", query={"archived": "true"})

    def create_tenant(self, name: str) -> Json:
        return self._create("tenants", body={"name": name})

    def rename_tenant(self, tenant: str, name: str) -> Json:
        return self._call("PATCH", "tenants", tenant, body={"name": name})

    def change_tenant(self, tenant: str, verb: str) -> Json:
        """`verb`: archive, unarchive."""
        return self._call("POST", "tenants", tenant, verb)

    def change_quota(self, tenant: str, wish: Json) -> Json:
        return self._call("PATCH", "tenants", tenant, "quota", body=wish)

    # Users

    def list_users(self, *, tenant: str | None = None, search: str | None = None) -> Json:
        return self._all("users", "users", query={"tenant": tenant, "search": search})

    def user_info(self, user: str) -> Json:
        return self._call("GET", "users", user)

    def create_user(self, spec: Json) -> Json:
        return self._call("POST", "users", body=spec)

    def change_roles(self, user: str, changes: Json) -> Json:
        return self._call("PATCH", "users", user, body=changes)

    def change_user(self, user: str, verb: str) -> Json:
        """`verb`: deactivate, reactivate, password."""
        return self._call("POST", "users", user, verb)

    # Nodes

    def assign_node(self, node: str, tenant: str) -> Json:
        """An empty `tenant`: shared by all."""
        return self._call("POST", "nodes", node, "assign", body={"tenant": tenant})

    # Another home, another owner

    def move_endpoint(self, endpoint: str, target: str, *, project: str | None = None) -> Json:
        return self._call(
            "POST", "endpoints", endpoint, "move", query={"project": project}, body={"project": target}
        )

    def move_project(self, project: str, tenant: str) -> Json:
        return self._call("POST", "projects", project, "move", body={"tenant": tenant})

    def transfer(self, kind: str, thing: str, owner: str, *, project: str | None = None) -> Json:
        """`kind`: endpoints, projects or models."""
        return self._call("POST", kind, thing, "transfer", query={"project": project}, body={"owner": owner})
