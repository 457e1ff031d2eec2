"""Pseudonyms: unique, of the same shape, the same for the same original, and never with an original inside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from simulator.app import Simulation
from simulator.fixture.sample import FIRST_NAMES
from simulator.lab.pseudonyms import KINDS, Pseudonyms
from simulator.lab.shapes import LONGEST, shape_of, similar, written


@pytest.fixture
def pseudonyms(simulation: Simulation) -> Pseudonyms:
    return Pseudonyms(simulation.contract)


def texts_of(value: Any) -> Iterator[str]:
    """Yield all texts of a JSON value, also the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts_of(inner)


def places_of(value: Any) -> Iterator[Any]:
    """Yield all texts, numbers and so on of a JSON value, in its order, also the keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from places_of(inner)
    elif isinstance(value, list):
        for each in value:
            yield from places_of(each)
    else:
        yield value


def kinds_of(text: str) -> str:
    """Return the shape of a text by other means: A, a, 9, é, or the character itself."""
    text = re.sub(r"[^\x00-\x7f]", "é", text)
    return re.sub("[0-9]", "9", re.sub("[a-z]", "a", re.sub("[A-Z]", "A", text)))


class TestTexts:
    @pytest.mark.parametrize(
        "original",
        [
            "Sophie",
            "sales",
            "De Wulf",
            "100 %",
            "Réserve d'été",
            "CONGÉS",
            "日本",
            "a-b_c.d",
            "O'Neil & Co.",
            "#1",
            " x ",
        ],
    )
    def test_the_shape_stays(self, pseudonyms: Pseudonyms, original: str) -> None:
        made = pseudonyms.text(original, "names")
        assert made != original
        assert kinds_of(made) == kinds_of(original)
        assert pseudonyms.text(original, "names") == made

    @pytest.mark.parametrize("original", ["a\\b/c", "a\tb\x07", "\u200b\u2028x", "Group \\ Sub"])
    def test_separators_and_control_characters_go(self, pseudonyms: Pseudonyms, original: str) -> None:
        made = pseudonyms.text(original)
        assert made.isprintable()
        assert not {*"\\/"} & {*made}
        assert len(made) == len(original)

    def test_numbers_keep_their_country_and_length_and_nobody_can_have_them(self, pseudonyms: Pseudonyms) -> None:
        for number, country in {"+3225551101": "+32", "+15551234567": "+1", "+352621123456": "+352"}.items():
            made = pseudonyms.text(number, "numbers")
            assert made.startswith(country + "000")
            assert len(made) == len(number)
        assert re.fullmatch("[0-9]{4}", pseudonyms.text("1101", "numbers"))

    def test_addresses_keep_their_parts_and_get_reserved_domains(self, pseudonyms: Pseudonyms) -> None:
        first, same, other = (pseudonyms.text(each, "ids") for each in ("ann.b@x.be", "ann.b@y.be", "carl@x.be"))
        assert first.partition("@")[2] == other.partition("@")[2] == "example.com"
        assert same == f"{first.partition('@')[0]}@example.net"
        assert pseudonyms.text("ann.b", "ids") == first.partition("@")[0]
        assert pseudonyms.text("x.be", "ids") == "example.com"
        assert pseudonyms.text("sip:ann.b@x.be", "ids") == f"sip:{first}"
        assert pseudonyms.text("Night shift @ Brussels").count(" @ ") == 1

    def test_short_texts_become_longer_when_all_of_their_shape_are_used(self, pseudonyms: Pseudonyms) -> None:
        for alphabet in ("abcdefghijklmnopqrstuvwxyz", "0123456789"):
            pseudonyms.learn([*alphabet])
            made = [pseudonyms.text(each) for each in alphabet]
            assert len({*made}) == len(alphabet)
            assert not {*made} & {*alphabet}
        assert pseudonyms.text("-") not in ("", "-")
        assert pseudonyms.text("/") != pseudonyms.text("-")

    def test_the_kinds_to_keep_stay_as_they_are(self, simulation: Simulation) -> None:
        body = {"userId": "ann@x.be", "firstName": "Ann-Marie", "extension": "1234", "mode": "hello"}
        for kind, name in zip(KINDS, ("firstName", "extension", "userId"), strict=True):
            pseudonyms = Pseudonyms(simulation.contract, [kind])
            masked = pseudonyms.mask(body)
            assert {key for key in body if masked[key] == body[key]} == {name}
            assert pseudonyms.leaks(str(masked)) == []
        assert Pseudonyms(simulation.contract, ["all"]).mask(body) == body


class TestUniqueness:
    def test_an_original_is_never_inside_of_a_pseudonym(self, pseudonyms: Pseudonyms) -> None:
        originals = [each for number in range(1, 400) if (each := written(shape_of("abcd"), number))]
        pseudonyms.learn(originals)
        made = [pseudonyms.text(each) for each in (*originals, "abcdefghij", "Abcd-Efgh")]
        assert not [(one, other) for one in originals for other in made if one in other.lower()]
        assert len({*made}) == len(made)

    def test_extensions_are_unique_though_all_of_their_length_are_taken(self, pseudonyms: Pseudonyms) -> None:
        originals = [f"{number:03}" for number in range(1_000)] + [f"{number:04}" for number in range(10_000)]
        pseudonyms.learn(originals)
        made = {pseudonyms.text(each, "numbers") for each in originals}
        assert len(made) == len(originals)
        assert not made & {*originals}

    def test_fixed_parts_that_are_an_original_do_not_hinder(self, pseudonyms: Pseudonyms) -> None:
        pseudonyms.learn(["sips", "example", "example.com"])
        assert "sips" not in pseudonyms.text("sips:ann@y.be", "names")
        assert "example" not in pseudonyms.text("ann@y.be", "ids")

    def test_parts_of_addresses_are_originals_too(self, pseudonyms: Pseudonyms) -> None:
        masked = pseudonyms.mask(["ann@lab.be", "sip:example", "tel:+3225551101", "example.com"])
        assert pseudonyms.leaks_in(masked) == []
        assert masked[2] == f"tel:{pseudonyms.text('+3225551101')}"
        assert "example" not in str(masked)

    @pytest.mark.parametrize("part", ["sip:", "a@", "@x.be", "ab", "é", "1"])
    def test_a_text_of_any_length_is_replaced_in_no_time(self, pseudonyms: Pseudonyms, part: str) -> None:
        made = pseudonyms.mask({"firstName": part * 500_000, "lastName": part * 500_001})
        assert len({*made.values()}) == 2
        assert all(0 < len(each) <= LONGEST + 4 for each in made.values())
        assert pseudonyms.leaks_in(made) == []

    @pytest.mark.parametrize("text", ["ab", "A1-é", "+3299"])
    def test_the_texts_of_a_shape_come_once_each(self, text: str) -> None:
        shape = shape_of(text)
        made: list[str] = []
        while (each := written(shape, len(made) + 1)) is not None:
            made.append(each)
        assert len({*made}) == len(made) > 60
        assert {kinds_of(each) for each in made} == {kinds_of(text)}
        assert len({*islice(similar(shape), 20)}) == 20

    def test_ten_thousand_users_stay_as_many(self, pseudonyms: Pseudonyms) -> None:
        users = {
            f"user{i}@lab.be": {"firstName": FIRST_NAMES[i % 48], "lastName": f"Doe {i}", "phoneNumber": f"+32{i:08}"}
            for i in range(10_000)
        }
        masked = pseudonyms.mask({"users": users})["users"]
        assert len(masked) == 10_000
        for attribute, number in {"firstName": 48, "lastName": 10_000, "phoneNumber": 10_000}.items():
            assert len({user[attribute] for user in masked.values()}) == number
        assert {each.partition("@")[2] for each in masked} == {"example.com"}
        assert pseudonyms.leaks(str(masked)) == []


class TestBodies:
    def test_values_that_were_equal_are_equal_and_the_others_differ(
        self, simulation: Simulation, pseudonyms: Pseudonyms
    ) -> None:
        content = simulation.fixtures.content_of(simulation.world())
        masked = pseudonyms.mask(content)
        simulation.fixtures.world_of_content(masked)
        pairs = {*zip(places_of(content), places_of(masked), strict=True)}
        texts = {(one, other) for one, other in pairs if isinstance(one, str) and one != other}
        assert len(texts) == len({one for one, _ in texts}) == len({other for _, other in texts})
        assert {one == other for one, other in pairs if not isinstance(one, str)} == {True}

    def test_enumerations_stay_only_in_their_place(self, pseudonyms: Pseudonyms) -> None:
        masked = pseudonyms.mask(
            {"level": "User", "type": "Time", "mode": "Time", "lastName": "User", "alertType": "x"}
        )
        assert (masked["level"], masked["type"]) == ("User", "Time")
        assert masked["mode"] != "Time"
        assert masked["lastName"] != "User"
        assert masked["alertType"] != "x"

    def test_what_nobody_knows_goes(self, pseudonyms: Pseudonyms) -> None:
        masked = pseudonyms.mask({"customer": "Smith & Sons", "notes": [{"text": "call Ann", "count": 7, "is": True}]})
        assert not {*texts_of(masked)} & {"customer", "Smith & Sons", "text", "call Ann"}
        assert [each for each in places_of(masked) if not isinstance(each, str)] == [7, True]

    @pytest.mark.rule("G-15")
    def test_paths_of_departments_are_made_of_the_names(self, pseudonyms: Pseudonyms) -> None:
        department = {"tenantId": "t", "groupId": "north", "departmentName": "Inside Sales"}
        masked = pseudonyms.mask({**department, "fullPathName": "Sales \\ Inside Sales (north)"})
        assert masked["fullPathName"] == (
            f"{pseudonyms.text('Sales', 'names')} \\ {masked['departmentName']} ({masked['groupId']})"
        )

    def test_parameters_of_a_path_have_the_pseudonyms_of_the_bodies(self, pseudonyms: Pseudonyms) -> None:
        user = pseudonyms.text("ann@x.be", "ids")
        path = pseudonyms.mask_path("/t/{tenant_id}/{user_id}/", {"tenant_id": "foo", "user_id": "ann@x.be"})
        assert path == f"/t/{pseudonyms.text('foo', 'ids')}/{user.replace('@', '%40')}/"

    def test_nesting_without_end_is_cut_off(self, pseudonyms: Pseudonyms) -> None:
        deep: Any = "secret"
        for _ in range(5_000):
            deep = [deep]
        assert "secret" not in str(pseudonyms.mask(deep))


class TestLeaks:
    def test_an_original_in_a_text_is_found_in_any_case(self, pseudonyms: Pseudonyms) -> None:
        pseudonyms.learn({"firstName": "Sophie", "extension": "1101", "userId": "ann.b@lab.be", "lastName": "Ng"})
        assert pseudonyms.leaks("- SOPHIE\n") == ["Sophie"]
        assert pseudonyms.leaks("xsophiex: '1101'") == ["Sophie", "1101"]
        assert pseudonyms.leaks("+32110199, Ng") == []
        assert pseudonyms.leaks("mail to nobody@lab.be") == ["lab.be"]

    def test_published_words_are_none(self, pseudonyms: Pseudonyms) -> None:
        pseudonyms.learn({"firstName": "User", "lastName": "Calls", "name": "All Calls Day", "extension": "7200"})
        pseudonyms.learn({"rolloverWaitTime": 7200})
        assert pseudonyms.leaks("users: [userIds, All Calls, 7200]") == []
        assert pseudonyms.leaks("All Calls Day") == ["All Calls Day"]
        assert pseudonyms.leaks("a superuser") == ["User"]
        assert pseudonyms.leaks("a superuser", ["a superuser"]) == []

    def test_texts_that_were_kept_are_none(self, simulation: Simulation) -> None:
        pseudonyms = Pseudonyms(simulation.contract, ["ids"])
        masked = pseudonyms.mask({"userId": "sophie.janssens😀@x.be", "firstName": "Sophie", "lastName": "Janssens"})
        assert masked["userId"] == "sophie.janssens😀@x.be"
        assert pseudonyms.leaks_in(masked) == []
        assert pseudonyms.leaks_in([masked, "Sophie"]) == ["Sophie"]


def test_the_attributes_of_users_in_a_list_keep_their_names(simulation: Simulation) -> None:
    users = [{"userId": "boss@corp.example", "firstName": "Alice"}]
    masked = Pseudonyms(simulation.contract).mask({"users": users, "assistantUsers": users})
    assert list(masked["users"][0]) == list(masked["assistantUsers"][0]) == ["userId", "firstName"]
    assert masked["users"] == masked["assistantUsers"] != users
