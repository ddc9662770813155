"""Signing in: strangers' failures lock nobody else out, nothing tells who exists, and passwords are changed."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from studio.accounts import services
from studio.accounts.models import Tries
from studio.accounts.rules import FORGOTTEN_AFTER, PAIR, SOURCE
from studio.accounts.services import TooManyTries
from studio.audit.models import Event
from studio.errors import Invalid
from studio.tenants import services as tenants
from tests.support.cast import NOW

RIGHT, HOME, ELSEWHERE = "correct-horse-battery", "192.0.2.1", "198.51.100.7"


class CountedHasher(PBKDF2PasswordHasher):
    """Quick, and known by how often it ran."""

    algorithm = "counted"
    iterations = 2
    ran = 0

    def encode(self, password, salt, iterations=None):
        type(self).ran += 1
        return super().encode(password, salt, iterations)


@pytest.fixture(autouse=True)
def quick_hashes(settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.CountedHasher"]


class Door:
    """The service, asked from somewhere at a moment that the test chooses."""

    def __init__(self, cast) -> None:
        self.now = NOW
        for name in ("owen", "mila"):
            user = cast.users[name]
            user.set_password(RIGHT)
            user.save()

    def enter(self, name="owen", password=RIGHT, *, address=HOME, device=""):
        return services.sign_in(name=name, password=password, address=address, device=device, now=self.now)

    def outcome(self, name="owen", password="wrong", **more) -> str:
        try:
            self.enter(name, password, **more)
        except TooManyTries:
            return "later"
        except Invalid:
            return "wrong"
        return "in"

    def fail(self, times: int, name="owen", **more) -> list[str]:
        return [self.outcome(name, **more) for _ in range(times)]


@pytest.fixture
def door(cast) -> Door:
    return Door(cast)


# ----- how often


def test_a_right_password_is_let_in_and_written_down(door, cast):
    assert door.enter().user == cast.users["owen"]
    (event,) = Event.objects.filter(verb="sign in")
    assert (event.actor_name, event.address, event.thing_id) == ("owen", HOME, cast.users["owen"].pk)


def test_after_some_wrong_passwords_each_waits_longer_and_even_the_right_one_does(door):
    assert door.fail(PAIR.free) == PAIR.free * ["wrong"]
    assert door.outcome(password=RIGHT) == "later"
    door.now += timedelta(seconds=2)
    assert door.outcome() == "wrong"
    door.now += timedelta(seconds=3)
    assert door.outcome(password=RIGHT) == "later", "four seconds now"
    door.now += timedelta(seconds=1)
    assert door.outcome(password=RIGHT) == "in"
    assert door.fail(PAIR.free - 1) == (PAIR.free - 1) * ["wrong"], "a right password begins anew"


def test_the_wait_is_said(door):
    door.fail(PAIR.free)
    with pytest.raises(TooManyTries, match="try again in 2 seconds"):
        door.enter()


def test_what_is_refused_while_waiting_makes_no_wait_longer(door):
    door.fail(PAIR.free)
    assert set(door.fail(50)) == {"later"}
    door.now += timedelta(seconds=2)
    assert door.outcome(password=RIGHT) == "in"


def test_a_stranger_elsewhere_locks_nobody_out(door):
    door.fail(200, address=ELSEWHERE)
    assert door.outcome(password=RIGHT) == "in"


def test_a_known_browser_is_let_in_whatever_strangers_at_the_same_address_do(door):
    device = door.enter().device
    door.fail(200)
    door.fail(200, "mila")
    assert door.outcome("mila", RIGHT) == "later"
    assert door.outcome(password=RIGHT) == "later", "a browser that is not known waits with them"
    assert door.outcome(password=RIGHT, device=device) == "in"


def test_a_known_browser_has_a_limit_of_its_own(door):
    device = door.enter().device
    tried = door.fail(30, device=device)
    assert tried[-1] == "later"
    assert door.outcome(password=RIGHT) == "in", "and does not lock its user out elsewhere"


def test_a_browser_is_known_for_those_only_who_signed_in_with_it(door):
    device = door.enter("mila").device
    door.fail(PAIR.free)
    assert door.outcome(password=RIGHT, device=device) == "later"


@pytest.mark.parametrize(
    "forged", ["", "x", "WyJhIiwiYiJd:1aaaaa:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]
)
def test_a_forged_device_is_no_device(door, forged):
    door.fail(PAIR.free)
    assert door.outcome(password=RIGHT, device=forged) == "later"


def test_many_names_from_one_source_are_counted_together(door):
    tried = [door.outcome(f"name {number}") for number in range(SOURCE.free + 5)]
    assert tried == SOURCE.free * ["wrong"] + 5 * ["later"]
    assert door.outcome(password=RIGHT) == "later"
    assert door.outcome(password=RIGHT, address=ELSEWHERE) == "in"


def test_an_account_of_ones_own_washes_no_source_clean(door):
    tried = []
    for number in range(SOURCE.free):
        tried += [door.outcome(f"name {number}"), door.outcome("mila", RIGHT)]
    assert tried[-1] == "later"
    assert tried.count("wrong") <= SOURCE.free


def test_failures_are_forgotten_after_a_quiet_hour(door):
    door.fail(PAIR.free)
    door.now += FORGOTTEN_AFTER + timedelta(seconds=1)
    assert door.fail(PAIR.free) == PAIR.free * ["wrong"]


def test_another_spelling_of_a_name_is_the_same_name(door):
    for name in ("owen", "OWEN", "Owen", "oWen", "owEn"):
        door.outcome(name)
    assert door.outcome(password=RIGHT) == "later"


def test_what_is_counted_is_bounded(door, monkeypatch):
    monkeypatch.setattr(services, "MOST_TRIES", 10)
    for number in range(30):
        door.outcome(address=f"203.0.113.{number}")
    assert Tries.objects.count() <= 11
    door.now += FORGOTTEN_AFTER + timedelta(seconds=1)
    door.outcome(address=ELSEWHERE)
    assert Tries.objects.count() <= 2


def test_neither_name_nor_address_stands_in_what_is_counted(door):
    door.outcome()
    told = repr(list(Tries.objects.values()))
    assert "owen" not in told
    assert HOME not in told


# ----- nothing tells who exists


def test_the_same_answer_and_the_same_work_for_every_reason(door, cast):
    mila = cast.users["mila"]
    mila.is_active = False
    mila.save()
    answers = set()
    for name, password in (("owen", "wrong"), ("nobody", RIGHT), ("mila", RIGHT), ("tina", RIGHT)):
        CountedHasher.ran = 0
        with pytest.raises(Invalid) as refusal:
            door.enter(name, password, address=f"192.0.2.{len(name)}{len(password)}")
        answers.add((refusal.value.sentence, str(refusal.value.fields), CountedHasher.ran))
    assert len(answers) == 1, "tina never had a password at all"


def test_a_wait_is_the_same_for_a_name_that_nobody_has(door):
    assert (
        door.fail(PAIR.free + 1, "nobody")[-1]
        == door.fail(PAIR.free + 1, "owen", address=ELSEWHERE)[-1]
        == "later"
    )


# ----- the password


def change(cast, old=RIGHT, new="another-good-one", now=NOW):
    return services.change_password(actor=cast.owen, user=cast.users["owen"], old=old, new=new, now=now)


def test_a_changed_password_is_the_one_that_counts(door, cast):
    change(cast)
    assert door.outcome(password=RIGHT) == "wrong"
    assert door.outcome(password="another-good-one") == "in"
    assert Event.objects.filter(verb="change password", actor_name="owen").count() == 1


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("wrong", "another-good-one", "old"),
        (RIGHT, RIGHT, "new"),
        (RIGHT, "short", "new"),
        (RIGHT, "password123", "new"),
        (RIGHT, "owenowenow", "new"),
        (RIGHT, "qwertyuiop1", "new"),
    ],
)
def test_a_change_is_refused_at_its_field(door, cast, old, new, field):
    with pytest.raises(Invalid) as refusal:
        change(cast, old, new)
    assert list(refusal.value.fields) == [field]
    assert door.outcome(password=RIGHT) == "in"


def test_who_has_only_the_session_cannot_guess_the_password_there(door, cast):
    for _ in range(PAIR.free):
        with pytest.raises(Invalid):
            change(cast, "wrong")
    with pytest.raises(TooManyTries):
        change(cast)
    assert door.outcome(password=RIGHT) == "in", "the door is not locked by it"


def test_a_password_that_an_admin_chose_is_to_be_changed(door, cast):
    made = {"tenant": cast.tenants["default"], "now": NOW}
    nora = tenants.create_user(actor=cast.tina, name="nora", password=RIGHT, **made)
    assert nora.password_is_initial
    services.change_password(actor=cast.owen, user=nora, old=RIGHT, new="another-good-one", now=NOW)
    nora.refresh_from_db()
    assert not nora.password_is_initial
