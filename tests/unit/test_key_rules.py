"""What an API key may use: how limits, expiry and allowed experts are read, and what is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeys.rules import LIMITS, MOST_LIMIT, Terms, check_still, read_terms, status, status_in_json
from studio.errors import Conflict, Invalid
from tests.support.effort import examples

NOW = datetime(2026, 11, 7, 9, 30, tzinfo=UTC)
LATER = datetime(2030, 12, 31, 18, tzinfo=UTC)
KEY = Terms(names=("Help", "studio/help", "help"))


def read(terms: Terms = KEY, **given: object) -> dict[str, object]:
    return read_terms(given, terms, NOW)


def faults(terms: Terms = KEY, **given: object) -> dict[str, str]:
    with pytest.raises(Invalid) as refusal:
        read(terms, **given)
    return refusal.value.fields


# ----- limits


@given(limit=st.integers(1, MOST_LIMIT), name=st.sampled_from(sorted(LIMITS)))
@settings(max_examples=examples(50))
def test_every_spelling_of_a_number_means_it(limit, name):
    for spelling in (
        limit,
        str(limit),
        f" 0{limit} ",
        f"{limit:,}",
        f"{limit:_}",
        f"{limit:,}".replace(",", " "),
    ):
        assert read(**{name: spelling}) == {name: limit}


WRONG = st.one_of(
    st.integers(max_value=0),
    st.integers(min_value=MOST_LIMIT + 1),
    st.floats(),
    st.booleans(),
    st.lists(st.integers()),
    st.text(min_size=1).filter(lambda text: not any(sign.isdigit() for sign in text)),
)


@given(value=WRONG)
@settings(max_examples=examples(200))
def test_anything_else_is_refused_at_its_field_with_the_remedy(value):
    found = faults(parallel=value)
    assert list(found) == ["parallel"]
    assert found["parallel"].startswith("Parallel requests must be ")
    assert found["parallel"].endswith("; leave it out for no limit.")


@pytest.mark.parametrize(
    "wrong", ["1,5", "1.5", "12,34", "1,000_000", "1e3", "٣", "0x10", "-", "--1", "9" * 5000]
)
def test_what_only_looks_like_a_number_is_refused(wrong):
    assert list(faults(tokens_per_day=wrong)) == ["tokens_per_day"]


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_is_no_limit_and_what_is_not_given_is_not_touched(nothing):
    assert read() == {}
    assert read(parallel=nothing, expires_at=nothing, experts=nothing) == {
        "parallel": None, "expires_at": None, "experts": [],
    }  # fmt: skip


def test_zero_is_no_way_to_say_no_limit():
    assert faults(requests_per_minute=0) == {
        "requests_per_minute": "Requests per minute must be at least 1; leave it out for no limit."
    }


def test_every_fault_is_named_at_once():
    wrong = {"parallel": "x", "tokens_per_day": -1, "expires_at": "soon", "experts": ["Nobody"], "speed": 1}
    assert set(faults(**wrong)) == set(wrong)
    assert faults(speed=1)["speed"].endswith(f"there are: {', '.join(LIMITS)}.")


# ----- expiry


@pytest.mark.parametrize(
    "spelling",
    [
        "2030-12-31T18:00", "2030-12-31 18:00:00", "2030-12-31T18:00:00.999+00:00", "2030-12-31T20:00+02:00",
        LATER, LATER.astimezone(timezone(timedelta(hours=-5))), LATER.replace(tzinfo=None),
    ],
)  # fmt: skip
def test_an_expiry_is_read_to_the_second_in_utc(spelling):
    assert read(expires_at=spelling) == {"expires_at": LATER}


def test_a_date_alone_is_its_first_moment():
    assert read(expires_at="2030-12-31") == {"expires_at": datetime(2030, 12, 31, tzinfo=UTC)}


@pytest.mark.parametrize(
    "wrong", ["soon", "2030-13-01", 7, "9999-12-31T23:59-12:00", "0001-01-01T00:00+12:00"]
)
def test_what_is_no_date_is_refused_with_an_example(wrong):
    assert "2030-12-31T18:00" in faults(expires_at=wrong)["expires_at"]


def test_an_expiry_is_in_the_future():
    assert "must be in the future; it is 07 Nov, 2026, 09:30" in faults(expires_at=NOW)["expires_at"]
    assert read(expires_at=NOW + timedelta(seconds=1))


def test_one_that_has_passed_may_stay_as_it_is():
    past = NOW - timedelta(days=1)
    assert read(Terms(expires_at=past), expires_at=past.isoformat()) == {"expires_at": past}
    assert faults(Terms(expires_at=past), expires_at=past - timedelta(days=1))


def test_the_first_key_has_limits_but_no_expiry():
    first = Terms(is_first=True)
    assert read(first, parallel=1, expires_at="") == {"parallel": 1, "expires_at": None}
    assert faults(first, expires_at=LATER) == {
        "expires_at": "The First Key cannot expire, as it cannot be revoked."
    }


@given(seconds=st.integers(-3600, 3600), is_revoked=st.booleans(), ends=st.booleans())
@settings(max_examples=examples(50))
def test_the_status_is_revoked_before_expired_before_active(seconds, is_revoked, ends):
    expires_at = NOW + timedelta(seconds=seconds) if ends else None
    word = status(is_revoked=is_revoked, expires_at=expires_at, now=NOW)
    assert word == ("Revoked" if is_revoked else "Expired" if ends and seconds <= 0 else "Active")
    assert status_in_json(word) == ("Live" if word == "Active" else word)


# ----- allowed experts


def test_experts_come_in_the_spelling_and_order_of_the_model():
    assert read(experts=["STUDIO/HELP", "Help", "Help"]) == {"experts": ["Help", "studio/help"]}
    assert read(experts=["help"]) == {"experts": ["help"]}, "the very name comes before its likes"
    assert read(experts=["HELP"]) == {"experts": ["Help"]}


def test_an_unknown_expert_is_refused_with_those_that_exist():
    sentence = faults(experts=["Help", "Nobody"])["experts"]
    assert sentence == "There is no model 'Nobody' at this endpoint; it has: Help, studio/help, help."


@pytest.mark.parametrize("wrong", ["Help", {"Help": 1}, [1], 5])
def test_experts_are_a_list_of_names(wrong):
    assert faults(experts=wrong) == {"experts": "Allowed experts must be a list of model names."}


def test_a_name_that_the_model_no_longer_has_may_stay():
    assert read(Terms(names=["New"], experts=["Old"]), experts=["Old"]) == {"experts": ["Old"]}


# ----- two at once


def test_what_somebody_else_changed_meanwhile_is_not_overwritten():
    check_still("", NOW)
    check_still("2026-11-07T09:30:00.000000+00:00", NOW)
    for other in ("2026-11-07T09:29:59.000000+00:00", "nonsense"):
        with pytest.raises(Conflict, match="meanwhile"):
            check_still(other, NOW)
