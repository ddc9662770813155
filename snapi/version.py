"""The version, written down: asking the installed package for it costs a fifth of the start-up time."""

VERSION = "0.1.0"
USER_AGENT = f"snapi/{VERSION}"
