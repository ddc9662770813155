"""Refusals that a person or a client is meant to read.

An error is a code, one sentence and, where a form field is to blame, the field's name. Services raise
them beside the rule they come from; each door translates them once (`studio.json_api`, `studio.htmx`).
"""

from collections.abc import Mapping


class Refusal(Exception):
    """An expected "no". `status` is the HTTP status every door shows it with."""

    code = "refused"
    status = 400

    def __init__(
        self, sentence: str, fields: Mapping[str, str] | None = None, code: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.fields = dict(fields or {})
        self.code = code or self.code

    def as_json(self) -> dict[str, object]:
        return {"code": self.code, "message": self.sentence, "fields": self.fields}


class Invalid(Refusal):
    """The input breaks a rule; `fields` names what and the remedy."""

    code = "invalid"


class NotSignedIn(Refusal):
    code = "not_signed_in"
    status = 401


class Forbidden(Refusal):
    """The actor may see the thing but not do this to it."""

    code = "forbidden"
    status = 403


class NotFound(Refusal):
    """There is no such thing, or the actor may not know that it exists."""

    code = "not_found"
    status = 404


class Conflict(Refusal):
    """The state of the thing does not allow it now, or somebody else was first."""

    code = "conflict"
    status = 409


def invalid_field(field: str, sentence: str) -> Invalid:
    """The usual case: one field is wrong, and the sentence is about it."""
    return Invalid(sentence, {field: sentence})
