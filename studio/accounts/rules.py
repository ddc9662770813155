"""What holds for signing in: how often it may be tried, what a password must be, how long a session lasts.

Tries are counted per source, and per source and user name. Strangers elsewhere have counters of their own, so
nobody can lock another out; a browser in which this user signed in before has its own counter as well, which
the tries of others from the same source never reach.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

# ----- how often ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Patience:
    """`free` tries fail without a wait, then each waits twice as long as the one before."""

    free: int
    first: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(minutes=15)

    def wait(self, failures: int) -> timedelta:
        """After so many failures in a row."""
        if failures < self.free:
            return timedelta(0)
        doublings = min(failures - self.free, 16)
        return min(self.first * (1 << doublings), self.longest)


SOURCE = Patience(free=30)  # many people may sit behind one address
PAIR = Patience(free=5)  # one user name from one source
DEVICE = Patience(free=10)  # a browser that the user signed in with before
FORGOTTEN_AFTER = timedelta(hours=1)  # without a further try


def failures_so_far(failures: int, last_at: datetime, now: datetime) -> int:
    return 0 if now - last_at > FORGOTTEN_AFTER else failures


def source_of(address: str) -> str:
    """What tries are counted by: an IPv4 address, or the /64 that one holder of IPv6 addresses has."""
    try:
        parsed = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed.packed[:8] + bytes(8), 64)))
    return str(parsed)


def in_words(wait: timedelta) -> str:
    """`in 40 seconds`, `in 3 minutes`; rounded up."""
    seconds = max(1, -(-wait // timedelta(seconds=1)))
    if seconds < 90:
        return f"in {seconds} second{'s' if seconds > 1 else ''}"
    return f"in {-(-seconds // 60)} minutes"


# ----- passwords ------------------------------------------------------------------------------------------

MOST_PASSWORD = 256
LEAST_SIGNS = 5  # different ones
ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop")


def weakness(password: str) -> str:
    """Why it is too easy to guess, as a sentence; "" when it is not. Length and known lists are looked at elsewhere."""
    plain = password.lower()
    if len(password) > MOST_PASSWORD:
        return f"A password has at most {MOST_PASSWORD} characters."
    if len(set(plain)) < LEAST_SIGNS:
        return f"A password needs at least {LEAST_SIGNS} different characters."
    if _is_repeated(plain):
        return "This password repeats itself."
    if _loose_signs(plain) < LEAST_SIGNS:
        return "This password follows the keyboard, the alphabet or the numbers."
    return ""


def _is_repeated(text: str) -> bool:
    """`abcabcabc`: one beginning over and over; what it repeats must itself be long enough."""
    for length in range(1, min(len(text) // 2, 7) + 1):
        beginning = text[:length]
        if (beginning * (len(text) // length + 1))[: len(text)] == text:
            return True
    return False


def _loose_signs(text: str) -> int:
    """How many characters do not follow the one before in a row of the keyboard, the alphabet or the numbers."""
    pairs = {row[at : at + 2] for row in ROWS for at in range(len(row) - 1)}
    pairs |= {pair[::-1] for pair in pairs}
    return 1 + sum(text[at : at + 2] not in pairs and text[at] != text[at + 1] for at in range(len(text) - 1))


# ----- sessions -------------------------------------------------------------------------------------------

IDLE = timedelta(hours=12)  # since somebody last did something; a page that refreshes itself is nobody
LONGEST = timedelta(days=7)  # since the sign-in
SEEN_EVERY = timedelta(minutes=1)  # `last_seen_at` is written no more often
MOST_SESSIONS = 50  # of one user; the longest unused end first


def is_over(signed_in_at: datetime, last_seen_at: datetime, now: datetime) -> bool:
    return now - last_seen_at >= IDLE or now - signed_in_at >= LONGEST


BROWSERS = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"),
)  # fmt: skip
SYSTEMS = (
    ("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"),
    ("Mac OS", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


def browser_in_words(agent: str) -> str:
    """`Firefox on Linux`, from what the browser says of itself."""
    browser = next((name for mark, name in BROWSERS if f"{mark}/" in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    if not browser:
        return agent.partition("/")[0][:40] or "Unknown"
    return f"{browser} on {system}" if system else browser
