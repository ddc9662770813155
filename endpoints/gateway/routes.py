"""The route table in memory: what the gateway knows of endpoints and keys."""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from endpoints.wire import Key, Route


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it is. `until`: when this value of it ends, in seconds since the epoch; 0 for one that stands."""

    endpoint: str
    key: Key
    until: float = 0.0


class RouteTable:
    """Routes by endpoint, keys by digest. An endpoint's route never goes back to an older version,
    except by `replace`: after a restore of the database control counts anew."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.complete = False
        self._routes: dict[str, Route] = {}
        self._holders: dict[bytes, Holder] = {}
        self._since: dict[str, float] = {}  # instance → when it was first routed
        self._now = now
        self._watchers: list[Callable[[str], None]] = []

    def watch(self, changed: Callable[[str], None]) -> None:
        """`changed(endpoint)` is called after each change of a route."""
        self._watchers.append(changed)

    def routed_since(self, instance: str) -> float:
        """Monotonic seconds; the distant past for one that is not routed (any more)."""
        return self._since.get(instance, float("-inf"))

    def route(self, endpoint: str) -> Route | None:
        """A deleted endpoint's route is there, marked so."""
        return self._routes.get(endpoint)

    def holder(self, digests: Iterable[bytes]) -> Holder | None:
        """Of a key's value, by its digest with any of the peppers."""
        for digest in digests:
            found = self._holders.get(digest)
            if found is not None:
                return found
        return None

    def is_routed(self, instance: str) -> bool:
        return instance in self._since

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
        self._tell(route.endpoint)
        return True

    def keep_only(self, endpoints: set[str]) -> None:
        """Drops what a complete table no longer names, tombstones that were cleared away included."""
        for endpoint in self._routes.keys() - endpoints:
            self._forget_keys(endpoint)
            self._note_instances(endpoint, ())
            del self._routes[endpoint]
            self._tell(endpoint)

    def replace(self, routes: Iterable[Route]) -> None:
        gone, self._routes, self._holders, self._since = self._routes, {}, {}, {}
        for route in routes:
            self._put(route)
        for endpoint in gone.keys() | self._routes.keys():
            self._tell(endpoint)

    def _tell(self, endpoint: str) -> None:
        for changed in self._watchers:
            changed(endpoint)

    def _put(self, route: Route) -> None:
        self._note_instances(route.endpoint, [upstream.id for upstream in route.upstreams])
        self._routes[route.endpoint] = route
        if not route.deleted:
            for key in route.keys:
                if key.old_digest:
                    self._holders[key.old_digest] = Holder(route.endpoint, key, key.old_until)
                self._holders[key.digest] = Holder(route.endpoint, key)

    def _note_instances(self, endpoint: str, instances: Collection[str]) -> None:
        """Those of an endpoint's first route are taken for old: there is no telling since when they are ready."""
        known = self._routes.get(endpoint)
        for upstream in known.upstreams if known is not None else ():
            if upstream.id not in instances:
                self._since.pop(upstream.id, None)
        since = self._now() if known is not None and known.upstreams else float("-inf")
        for instance in instances:
            self._since.setdefault(instance, since)

    def _forget_keys(self, endpoint: str) -> None:
        known = self._routes.get(endpoint)
        for key in known.keys if known is not None else ():
            for digest in (key.digest, key.old_digest):
                holder = self._holders.get(digest)
                if holder is not None and holder.endpoint == endpoint:
                    del self._holders[digest]
