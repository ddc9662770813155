"""What the gateway is told by its environment."""

from dataclasses import dataclass
from pathlib import Path

from endpoints.gateway import rings
from endpoints.gateway.rings import Rings
from studio import addresses, env


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    host: str
    port: int
    broker_url: str
    rings: Rings
    web_socket: str = ""  # without it, other paths than predictions are not served
    proxies: tuple[addresses.Network, ...] = ()  # trusted to say who their client is
    body_limit: int = 32 * 2**20  # bytes
    queue_limit: int = 1000  # requests of one endpoint that wait for a free instance
    spool: Path | None = None  # where usage lies until control has it; None: in memory only
    lenient_limits: bool = False  # whether a limited key may go on while the broker is away
    stop_seconds: int = 5
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0  # 0: none
    log_share: float = 0.0  # of the predictions


def from_environment() -> Settings:
    """Raises `studio.env.BadSetting`."""
    return Settings(
        host=env.host(),
        port=env.port(),
        broker_url=env.redis_url(),
        rings=rings.from_environment(),
        web_socket=env.text("STUDIO_WEB_SOCKET"),
        proxies=tuple(addresses.trusted_proxies()),
        body_limit=env.number("STUDIO_BODY_LIMIT_MB", 32, least=1, most=4096) * 2**20,
        queue_limit=env.number("STUDIO_GATEWAY_QUEUE", 1000, least=0, most=1_000_000),
        spool=Path(env.text("STUDIO_GATEWAY_SPOOL") or env.data_dir() / "gateway").expanduser(),
        lenient_limits=env.flag("STUDIO_GATEWAY_LENIENT_LIMITS", default=False),
        stop_seconds=env.number("STUDIO_STOP_SECONDS", 5, least=0, most=3600),
        metrics_host=env.text("STUDIO_GATEWAY_METRICS_HOST", "127.0.0.1"),
        metrics_port=env.number("STUDIO_GATEWAY_METRICS_PORT", 0, least=0, most=65535),
        log_share=env.number("STUDIO_GATEWAY_LOG_PERCENT", 0, least=0, most=100) / 100,
    )
