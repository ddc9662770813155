"""What `Client` asks about whoever owns the platform key."""

from typing import Any


class AccountCalls:
    """A part of `Client`, which brings `_call` and `_all`."""

    _call: Any
    _all: Any

    def list_sessions(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._all("sessions", "sessions")
        return answer

    def end_session(self, session: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._call("DELETE", "sessions", session)
        return answer

    def end_sessions(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._call("DELETE", "sessions")
        return answer

    def platform_key_info(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._call("GET", "platform-key")
        return answer

    def generate_platform_key(self) -> dict[str, Any]:
        """The key that asks stops working by it."""
        answer: dict[str, Any] = self._call("POST", "platform-key")
        return answer

    def show_values_once(self, tenant: str, once: bool) -> dict[str, Any]:
        """Of a tenant's API keys; what was kept is gone then."""
        answer: dict[str, Any] = self._call("POST", "tenants", tenant, "values-once", body={"once": once})
        return answer
