import assert from "node:assert/strict";
import { test } from "node:test";
import { Refused, Simulator, type State } from "./apio.js";

const reception = "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/Reception/";

test("a sandbox is changed, compared and taken back", async () => {
  const simulator = await Simulator.connect();
  const sandbox = await simulator.sandbox();

  await sandbox.snapshot("before");
  await sandbox.patch({ tenants: { foo: { groups: { foogroup: { services: [] } } } } });
  assert.equal((await fetch(sandbox.url + reception)).status, 404);
  assert.equal((await sandbox.requests({ status: "4xx" }))[0]?.rule, "CC-1");
  assert.notDeepEqual(await sandbox.diff("before"), []);

  await sandbox.restore("before");
  assert.deepEqual(await sandbox.diff(), []);

  const fault = await sandbox.fault({ operationId: "getCallCapacity", status: 503, times: 1 });
  assert.match(fault.warnings[0] ?? "", /not documented/);
  assert.equal((await fetch(sandbox.url + reception)).status, 503);

  await sandbox.reset();
  assert.deepEqual(await sandbox.requests(), []);
  await sandbox.drop();
});

test("a sandbox starts from a fixture of its own, and its state can be replaced", async () => {
  const simulator = await Simulator.connect();
  const acme: State = { version: 1, defaultDomain: "example.com", tenants: { acme: { type: "Enterprise" } } };
  const sandbox = await simulator.sandbox("own-fixture", acme);
  assert.deepEqual(Object.keys((await sandbox.state()).tenants as object), ["acme"]);

  await sandbox.setState(await simulator.default.state());
  assert.equal((await fetch(sandbox.url + reception)).status, 200);
  assert.equal((await sandbox.coverage()).totals.operationsHit, 1);
  assert.ok((await simulator.coverage()).totals.operationsHit >= 1);
  await sandbox.drop();
});

test("a refusal names the place and the rule", async () => {
  const simulator = await Simulator.connect();
  await assert.rejects(simulator.sandbox("refused", { version: 2 } as unknown as State), (refused: Refused) => {
    assert.equal(refused.status, 400);
    assert.ok(refused.faults.some(({ details }) => details.rule === "G-18" && details.pointer === "/fixture/version"));
    return true;
  });
});

test("where no simulator answers, that is said after the time that was given", async () => {
  await assert.rejects(Simulator.connect("http://127.0.0.1:1", { seconds: 0.1 }), {
    name: "Error",
    message: "no simulator answers at http://127.0.0.1:1",
  });
});
