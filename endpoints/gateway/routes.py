"""The route table in memory: what the gateway knows of endpoints and keys."""

from collections.abc import Iterable
from dataclasses import dataclass

from endpoints.wire import Key, Route
from studio import seal


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it is."""

    endpoint: str
    key: Key


class RouteTable:
    """Routes by endpoint, keys by digest. An endpoint's route never goes back to an older version,
    except by `replace`: after a restore of the database control counts anew."""

    def __init__(self) -> None:
        self.complete = False
        self._routes: dict[str, Route] = {}
        self._holders: dict[bytes, Holder] = {}

    def route(self, endpoint: str) -> Route | None:
        """A deleted endpoint's route is there, marked so."""
        return self._routes.get(endpoint)

    def holder(self, value: str, peppers: Iterable[bytes]) -> Holder | None:
        for pepper in peppers:
            found = self._holders.get(seal.digest(pepper, value))
            if found is not None:
                return found
        return None

    def has_instance(self, endpoint: str, instance: str) -> bool:
        route = self._routes.get(endpoint)
        return route is not None and any(upstream.id == instance for upstream in route.upstreams)

    def version(self, endpoint: str) -> int:
        route = self._routes.get(endpoint)
        return route.version if route is not None else -1

    def __len__(self) -> int:
        return len(self._routes)

    def take(self, route: Route) -> bool:
        """False where the route known is as new."""
        if route.version <= self.version(route.endpoint):
            return False
        self._forget_keys(route.endpoint)
        self._put(route)
        return True

    def keep_only(self, endpoints: set[str]) -> None:
        """Drops what a complete table no longer names, tombstones that were cleared away included."""
        for endpoint in self._routes.keys() - endpoints:
            self._forget_keys(endpoint)
            del self._routes[endpoint]

    def replace(self, routes: Iterable[Route]) -> None:
        self._routes, self._holders = {}, {}
        for route in routes:
            self._put(route)

    def _put(self, route: Route) -> None:
        self._routes[route.endpoint] = route
        if not route.deleted:
            for key in route.keys:
                self._holders[key.digest] = Holder(route.endpoint, key)

    def _forget_keys(self, endpoint: str) -> None:
        known = self._routes.get(endpoint)
        for key in known.keys if known is not None else ():
            holder = self._holders.get(key.digest)
            if holder is not None and holder.endpoint == endpoint:
                del self._holders[key.digest]
