"""`init`: a fixture to begin with, of any size, the same at any time."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from simulator.app import Simulation
from simulator.cli import main
from simulator.directory import Level
from simulator.document import parse_document
from simulator.fixture.sample import FIRST_NAMES, LAST_NAMES, MOST_USERS, sample_fixture
from tests.conftest import run, served


def text(users: int) -> str:
    return "".join(sample_fixture(users))


class TestContent:
    @pytest.mark.rule("G-18")
    @pytest.mark.parametrize("users", [1, 2, 3, 10, 11, 99, 201, 1000, 2500])
    def test_it_is_valid_and_has_that_many_users_each_with_a_number_of_his_own(
        self, simulation: Simulation, users: int
    ) -> None:
        world = simulation.fixtures.world_of_document(parse_document("sample.yaml", text(users)))
        tenants = world.directory.tenants.values()
        everybody = [user for tenant in tenants for user in tenant.users.values()]
        assert len(everybody) == users
        for attribute in ("user_id", "phone_number", "email_address"):
            assert len({getattr(user, attribute) for user in everybody}) == users
        assert {len(user.phone_number) for user in everybody} == {len("+3225400100")}
        assert {account.level for account in world.directory.accounts.values()} == set(Level)
        assert len(world.directory.tokens) == len(world.directory.accounts)

    def test_ten_users_show_what_there_is(self, simulation: Simulation) -> None:
        document = parse_document("sample.yaml", text(10))
        groups = document.data["tenants"]["acme"]["groups"]
        users = [user for group in groups.values() for user in group["users"].values()]
        services = Counter(service for user in users for service in user.get("services", []))
        assert services == {"Executive": 2, "Executive-Assistant": 2}
        parts = {part for user in users for part in user.get("executive", {})}
        assert parts == {"assistants", "filtering", "screening", "alerting", "criteria"}
        for group in groups.values():
            assert [each["isDefault"] for each in group["callCapacities"]] == [True, False]
            assert all(each["userIds"] for each in group["callCapacities"])

    def test_all_names_are_read_as_texts_and_differ_in_an_address(self) -> None:
        for names in (FIRST_NAMES, LAST_NAMES):
            document = parse_document("names.yaml", "\n".join(f"- {name}" for name in names))
            assert document.data == list(names)
        everything = text(len(FIRST_NAMES) * len(LAST_NAMES) + 1)
        assert everything.count("          sophie.janssens@acme.example:\n") == 1
        assert everything.count("          sophie.janssens.2@acme.example:\n") == 1

    def test_its_comments_name_rules_of_the_ledger_and_come_once(self, simulation: Simulation) -> None:
        comments = re.findall(r"(?:^ *| )(#.*)", text(1000), re.MULTILINE)
        named = set(re.findall(r"\b[A-Z]+-[0-9]+\b", "\n".join(comments)))
        assert len(named) > 10
        assert named <= set(simulation.ledger)
        assert [each for each, times in Counter(comments).items() if times > 1] == ["#"] * (comments.count("#") > 1)

    def test_its_comments_name_commands_and_options_that_exist(self) -> None:
        for command, options in re.findall(r"^#   apio-simulator (\w+)(.*)", text(1), re.MULTILINE):
            # The command `schema` comes with the schema of fixtures.
            if command in main.commands:
                known = {option for each in main.commands[command].params for option in each.opts}
                assert set(re.findall(r"--\w+", options)) <= known

    def test_the_first_lines_come_before_the_rest_is_made(self) -> None:
        (head,) = islice(sample_fixture(MOST_USERS), 1)
        assert head.startswith("# yaml-language-server: $schema=fixture.schema.json\n")

    def test_a_user_more_costs_no_more_than_the_one_before(self) -> None:
        sizes = [len(text(users)) / users for users in (2_000, 20_000)]
        assert sizes[1] < sizes[0] * 1.05


class TestCommand:
    def test_the_same_number_gives_the_same_bytes_in_a_file_and_on_standard_output(self, tmp_path: Path) -> None:
        file = tmp_path / "mine.yaml"
        result = run("init", "--users", "25", str(file))
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert file.read_bytes() == text(25).encode()
        assert run("init", "--users", "25", "-").stdout == text(25)
        assert run("init", "-").stdout == text(10)

    @pytest.mark.parametrize("users", [1, 1000])
    def test_validate_and_serve_take_what_it_writes(self, simulation: Simulation, tmp_path: Path, users: int) -> None:
        file = str(tmp_path / "mine.yaml")
        run("init", "--users", str(users), file)
        assert run("validate", file).returncode == 0
        with served(simulation.app(simulation.world(file))) as server:
            assert run("load", file, "--url", server.url).returncode == 0

    def test_a_file_that_exists_is_only_replaced_by_force(self, tmp_path: Path) -> None:
        file = tmp_path / "mine.yaml"
        file.write_text("mine", encoding="utf-8")
        result = run("init", str(file))
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == f"{file}: exists already; replace it with --force, or choose another name\n"
        assert file.read_text(encoding="utf-8") == "mine"
        assert run("init", "--force", str(file)).returncode == 0
        assert file.read_bytes() == text(10).encode()
        assert os.listdir(tmp_path) == ["mine.yaml"]

    def test_one_that_another_program_writes_meanwhile_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "mine.yaml"

        def interrupted(users: int) -> list[str]:
            file.write_text("theirs", encoding="utf-8")
            return ["ours"]

        monkeypatch.setattr(
            sys.modules["simulator.cli.init"], "sample_fixture", lambda users: (interrupted(users)[0] for _ in "1")
        )
        assert run("init", str(file)).returncode == 2
        assert file.read_text(encoding="utf-8") == "theirs"
        assert os.listdir(tmp_path) == ["mine.yaml"]

    def test_if_it_is_interrupted_nothing_is_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(users: int) -> list[str]:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(
            sys.modules["simulator.cli.init"], "sample_fixture", lambda users: (failing(users)[0] for _ in "1")
        )
        result = run("init", str(tmp_path / "mine.yaml"))
        assert result.returncode == 2
        assert result.stderr == f"{tmp_path / 'mine.yaml'}: cannot be written: No space left on device\n"
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("name", ["", "none/mine.yaml"])
    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path, name: str) -> None:
        result = run("init", "--force", str(tmp_path / name))
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(f"{tmp_path / name}: ")
        assert os.listdir(tmp_path) == []

    @pytest.mark.skipif(os.name == "nt", reason="Windows has other rights, and links need a privilege")
    def test_a_link_stays_one_and_others_may_read_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "link.yaml").symlink_to(tmp_path / "mine.yaml")
        assert run("init", str(tmp_path / "link.yaml")).returncode == 0
        assert (tmp_path / "link.yaml").is_symlink()
        umask = os.umask(0)
        os.umask(umask)
        assert stat.S_IMODE((tmp_path / "mine.yaml").stat().st_mode) == 0o666 & ~umask

    @pytest.mark.parametrize("users", ["0", str(MOST_USERS + 1), "x"])
    def test_a_number_that_is_none_is_refused(self, users: str) -> None:
        result = run("init", "--users", users, "-")
        assert (result.returncode, result.stdout) == (2, "")
        assert "--users" in result.stderr
