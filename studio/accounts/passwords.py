"""Our own rule among Django's validators of passwords."""

from django.core.exceptions import ValidationError

from studio.accounts.rules import weakness


class NotGuessed:
    def validate(self, password: str, user: object = None) -> None:
        if sentence := weakness(password):
            raise ValidationError(sentence)

    def get_help_text(self) -> str:
        return "No repetition, and no row of the keyboard, the alphabet or the numbers."
