"""The command `import`: a fixture of a real system, whole or not at all, and without the system's texts."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from simulator.app import Simulation, shipped
from simulator.cli.lab import MOST_REQUESTS, PACE_SECONDS, import_world
from simulator.document import read_document
from simulator.lab import client
from simulator.lab.client import LabClient, Untrustworthy
from simulator.lab.crawl import Observed, crawl
from simulator.lab.exchange import LabAnswer, LabRequest
from simulator.lab.importing import NO_USER
from simulator.lab.pseudonyms import KINDS, Pseudonyms
from simulator.lab.vocabulary import published_values
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import Finished, run, served
from tests.lab.test_crawl import TENANTS
from tests.lab.test_pseudonyms import places_of, texts_of


@pytest.fixture(scope="module")
def lab(simulation: Simulation, world: World) -> Iterator[str]:
    """The address of a simulator that plays the real system."""
    with served(simulation.app(world, request_log=None), event_loop=asyncio.SelectorEventLoop) as server:
        yield server.url


def imported(lab: str, file: Path, *more: str, tenant: str = "foo", **environment: str) -> Finished:
    """Import the groups and users of a tenant that `TENANTS` names."""
    groups, users = TENANTS[tenant]
    named = [f"--group={each}" for each in groups] + [f"--user={each}" for each in users]
    options = ["--from", lab, "--tenant", tenant, "--pace", "0", "--output", str(file)]
    return run("import", *options, *named, *more, **environment)


class TestResult:
    def test_the_last_line_says_how_much_was_read_and_how_to_serve_it(
        self, simulation: Simulation, lab: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "a world.yaml"
        done = imported(lab, file, tenant="demo")
        assert done.returncode == 0, done.stderr
        line, _, command = done.stdout.rstrip("\n").partition("; serve it with: ")
        assert line == "65 requests, 19 users, 6 call capacities, 7 executives"
        assert shlex.split(command) == ["apio-simulator", "serve", "--fixtures", str(file)]
        assert run("validate", str(file)).returncode == 0
        assert os.listdir(tmp_path) == ["a world.yaml"]

    def test_what_was_not_seen_is_on_screen_and_in_the_file(self, lab: str, tmp_path: Path) -> None:
        done = imported(lab, tmp_path / "w.yaml", tenant="demo")
        comments = re.findall("^# (.*)", (tmp_path / "w.yaml").read_text(encoding="utf-8"), re.MULTILINE)
        text = re.sub(r"\s+", " ", " ".join(comments))
        assert re.match(r"Read from a running system by apio-simulator \S+ on \d{4}-\d\d-\d\d at \d\d:\d\d UTC: ", text)
        notes = done.stderr.splitlines()
        assert len(notes) >= 4
        assert not [note for note in notes if note not in text]
        assert "All names, numbers, ids and other texts are invented." in text

    def test_answers_that_no_fixture_can_give_are_counted(
        self, lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = LabClient.ask

        def ask(self: LabClient, request: LabRequest) -> LabAnswer:
            answer = asked(self, request)
            body = orjson.loads(answer.body)
            if not request.path.endswith("/available_assistants/"):
                return answer
            body["users"].reverse()
            return LabAnswer(status=answer.status, headers=answer.headers, body=orjson.dumps(body))

        assert "in another way" not in imported(lab, tmp_path / "w.yaml").stderr
        monkeypatch.setattr(LabClient, "ask", ask)
        done = imported(lab, tmp_path / "w.yaml", "--force")
        assert done.returncode == 0
        assert re.search(r"gives in another way than the system: [1-9]\d* of \d+\.", done.stderr)

    def test_the_system_gets_gets_only(self, simulation: Simulation, world: World, tmp_path: Path) -> None:
        app = simulation.app(world, request_log=None)
        with served(app, event_loop=asyncio.SelectorEventLoop) as server:
            imported(server.url, tmp_path / "w.yaml", tenant="demo", APIO_LAB_TOKEN="system-admin")
            calls = run("requests", "--format", "json", "--limit", "1000", "--url", server.url).stdout
        requests = orjson.loads(calls)["requests"]
        assert len(requests) == 65
        assert {each["method"] for each in requests} == {"GET"}
        assert {each["account"] for each in requests} == {"sysadmin"}

    @pytest.mark.parametrize("tenant", TENANTS)
    def test_answers_have_the_same_status_shape_and_equalities(
        self, simulation: Simulation, lab: str, tmp_path: Path, tenant: str
    ) -> None:
        """The lists of both systems are asked in the same order, so the two crawls are compared text by text."""
        imported(lab, tmp_path / "w.yaml", tenant=tenant)
        content = read_document(tmp_path / "w.yaml").data
        (masked_tenant,) = content["tenants"]
        before = self.crawled(simulation, lab, tenant, *TENANTS[tenant])
        pseudonyms = Pseudonyms(simulation.contract)
        pseudonyms.mask(before.content)
        users = [pseudonyms.text(each, "ids") for each in TENANTS[tenant][1]]
        names = [pseudonyms.text(each, "ids") for each in TENANTS[tenant][0]]
        assert masked_tenant == pseudonyms.text(tenant, "ids")
        app = simulation.app(simulation.world(content), request_log=None)
        with served(app, event_loop=asyncio.SelectorEventLoop) as server:
            after = self.crawled(simulation, server.url, masked_tenant, names, users)
        assert [answer.status for _, answer in before.exchanges] == [answer.status for _, answer in after.exchanges]
        bodies = [
            [answer.content() for _, answer in each.exchanges if answer.status == 200] for each in (before, after)
        ]
        one, other = map(list, map(places_of, bodies))
        assert [type(each) for each in one] == [type(each) for each in other]
        # A path of departments is made of several texts.
        pairs = {(a, b) for a, b in zip(one, other, strict=True) if a != b and " \\ " not in str(a)}
        assert len(pairs) > 20
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})

    def crawled(self, simulation: Simulation, url: str, tenant: str, groups: Any, users: Any) -> Observed:
        asking = LabClient(url, simulation.contract, pace=0)
        return crawl(simulation.contract, asking.ask, tenant, groups, users)

    @pytest.mark.parametrize("tenant", TENANTS)
    def test_no_text_of_the_system_is_in_the_file(
        self, simulation: Simulation, lab: str, tmp_path: Path, tenant: str
    ) -> None:
        imported(lab, tmp_path / "w.yaml", tenant=tenant)
        masked = {each.lower() for each in texts_of(read_document(tmp_path / "w.yaml").data)}
        values = published_values(simulation.contract.document)
        published = {each.lower() for each in {*values}.union(*values.values())}
        own = {each.lower() for each in texts_of(read_document(shipped("fixtures/default.yaml")).data)}
        parts = own.union(*(each.split("@") for each in own))
        secret = {each for each in parts if len(each) > 3} - published
        assert len(secret) > 200
        assert not [(one, other) for one in secret for other in masked - published if one in other]


class TestKeep:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_kind_that_is_kept_is_said_twice(self, lab: str, tmp_path: Path, kind: str) -> None:
        done = imported(lab, tmp_path / "w.yaml", "--keep", kind)
        text = (tmp_path / "w.yaml").read_text(encoding="utf-8")
        assert f"WARNING: {tmp_path / 'w.yaml'} holds personal data. It has texts of the system: {kind}." in done.stderr
        assert f"# WARNING: this file holds personal data. These texts are the system's own: {kind}." in text
        kept = {"names": "Peeters", "numbers": "+3225126779", "ids": "user_9@sip.netaxis.be"}
        assert {each for each, own in kept.items() if own in text} == {kind}

    def test_with_all_of_them_the_file_is_as_the_system(self, simulation: Simulation, lab: str, tmp_path: Path) -> None:
        assert imported(lab, tmp_path / "w.yaml", "--keep", "names,all").returncode == 0
        asking = LabClient(lab, simulation.contract, pace=0)
        observed = crawl(simulation.contract, asking.ask, "foo", *TENANTS["foo"])
        assert read_document(tmp_path / "w.yaml").data == observed.content

    def test_a_kind_that_is_none_is_a_mistake(self, lab: str, tmp_path: Path) -> None:
        done = imported(lab, tmp_path / "w.yaml", "--keep", "names,mail")
        assert done.returncode == 2
        assert "'mail' is not one of names, numbers, ids, all" in done.stderr


class TestCredentials:
    def test_they_come_from_the_environment_or_a_file(
        self, simulation: Simulation, world: World, tmp_path: Path
    ) -> None:
        app = simulation.app(world, Settings(auth="required"), request_log=None)
        login = {"APIO_LAB_USERNAME": "fooadmin", "APIO_LAB_PASSWORD": "secret"}
        (tmp_path / "own.yaml").write_text("token: foo-admin\n", encoding="utf-8")
        with served(app, event_loop=asyncio.SelectorEventLoop) as server:
            for more, environment in ((["--force"], login), (["--credentials", str(tmp_path / "own.yaml")], {})):
                done = imported(server.url, tmp_path / "w.yaml", "--force", *more, **environment)
                assert done.returncode == 0, done.stderr
            (tmp_path / "w.yaml").unlink()
            done = imported(server.url, tmp_path / "w.yaml")
            assert (done.returncode, done.stdout) == (1, "")
            assert "it needs credentials; set APIO_LAB_USERNAME" in done.stderr
        assert os.listdir(tmp_path) == ["own.yaml"]

    def test_mistakes_in_them_end_it_before_anything_is_asked(self, tmp_path: Path) -> None:
        done = imported("http://127.0.0.1:1", tmp_path / "w.yaml", APIO_LAB_USERNAME="a")
        assert (done.returncode, "username and password go together" in done.stderr) == (2, True)
        (tmp_path / "own.yaml").write_text("tokn: x\n", encoding="utf-8")
        done = imported("http://127.0.0.1:1", tmp_path / "w.yaml", "--credentials", str(tmp_path / "own.yaml"))
        assert (done.returncode, "/tokn" in done.stderr) == (2, True)


class TestNothingWritten:
    def test_an_answer_that_the_contract_does_not_allow_is_named(
        self, lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = LabClient.ask

        def ask(self: LabClient, request: LabRequest) -> LabAnswer:
            answer = asked(self, request)
            if not request.path.endswith("/alerting/"):
                return answer
            body = orjson.dumps({**orjson.loads(answer.body), "mode": "Loud\x1b"})
            return LabAnswer(status=answer.status, headers=answer.headers, body=body)

        monkeypatch.setattr(LabClient, "ask", ask)
        done = imported(lab, tmp_path / "w.yaml")
        assert (done.returncode, done.stdout, os.listdir(tmp_path)) == (1, "", [])
        (line,) = done.stderr.splitlines()
        assert re.match(
            r"apio-simulator: nothing was written: the contract does not allow the answer to GET "
            r"/api/v1/tenants/foo/\S+/alerting/ at /mode: ",
            line,
        )

    @pytest.mark.parametrize("position", [0, 20, 48])
    @pytest.mark.parametrize("failure", [KeyboardInterrupt, Untrustworthy])
    def test_it_may_end_at_any_request(
        self,
        lab: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        position: int,
        failure: type[BaseException],
    ) -> None:
        asked = LabClient.ask

        def ask(self: LabClient, request: LabRequest) -> LabAnswer:
            if self.count == position:
                raise failure("it ends")
            return asked(self, request)

        monkeypatch.setattr(LabClient, "ask", ask)
        (tmp_path / "w.yaml").write_text("old", encoding="utf-8")
        done = imported(lab, tmp_path / "w.yaml", "--force")
        assert (done.returncode, done.stdout) == (130 if failure is KeyboardInterrupt else 1, "")
        assert (tmp_path / "w.yaml").read_text(encoding="utf-8") == "old"
        assert os.listdir(tmp_path) == ["w.yaml"]

    @pytest.mark.parametrize("function", ["fsync", "replace"])
    def test_it_may_end_while_the_file_is_written(
        self, lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
    ) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, function, interrupted)
        assert imported(lab, tmp_path / "w.yaml").returncode == 130
        assert os.listdir(tmp_path) == []

    def test_a_text_of_the_system_that_was_left_is_a_reason(
        self, lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Pseudonyms, "_invented", lambda self, original: original)
        done = imported(lab, tmp_path / "w.yaml")
        assert (done.returncode, done.stdout, os.listdir(tmp_path)) == (1, "", [])
        assert "texts of the system would be in the file" in done.stderr

    def test_a_file_that_exists_is_only_replaced_by_force_and_nothing_is_asked_before(self, tmp_path: Path) -> None:
        (tmp_path / "w.yaml").write_text("old", encoding="utf-8")
        for file, message in (
            ("w.yaml", "exists already; replace it with --force, or choose another name"),
            ("none/w.yaml", "cannot be written: No such file or directory"),
            (".", "exists already, and is no file that could be replaced"),
        ):
            done = imported("http://127.0.0.1:1", tmp_path / file)
            assert (done.returncode, done.stderr) == (2, f"{tmp_path / file}: {message}\n")
        assert "cannot end in .json" in imported("http://127.0.0.1:1", tmp_path / "w.json").stderr

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (["--tenant", "nowhere"], NO_USER),
            (["--max-requests", "3"], "the run has made 3 requests; --max-requests allows more"),
            (["--from", "http://127.0.0.1:1"], "has no answer: Connection refused"),
        ],
    )
    def test_each_reason_is_one_line(self, lab: str, tmp_path: Path, options: list[str], reason: str) -> None:
        done = imported(lab, tmp_path / "w.yaml", *options)
        assert (done.returncode, done.stdout, os.listdir(tmp_path)) == (1, "", [])
        (line,) = done.stderr.splitlines()
        assert line.startswith("apio-simulator: nothing was written: ")
        assert line.endswith(reason)

    @pytest.mark.parametrize("address", ["lab.example.com", "ftp://x", "http://user@x", "http://"])
    def test_an_address_that_is_none_is_a_mistake(self, tmp_path: Path, address: str) -> None:
        done = imported(address, tmp_path / "w.yaml")
        assert (done.returncode, "is no address" in done.stderr) == (2, True)


class TestCommand:
    def test_it_waits_between_two_requests_as_the_client_does_unless_it_is_told_otherwise(
        self, lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert PACE_SECONDS == client.PACE_SECONDS
        defaults: Mapping[Any, Any] = {each.name: each.default for each in import_world.params}
        assert (defaults["pace"], defaults["max_requests"]) == (PACE_SECONDS, MOST_REQUESTS)
        made = []

        class Noted(LabClient):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                made.append(options)
                super().__init__(*arguments, **{**options, "pace": 0})

        monkeypatch.setattr(client, "LabClient", Noted)
        imported(lab, tmp_path / "w.yaml", "--pace", "1.5")
        assert [each["pace"] for each in made] == [1.5]
