import assert from "node:assert/strict";
import { test as nodeTest } from "node:test";
import { inSandbox, type Sandbox } from "./apio.js";
import { CallCapacities } from "./client.js";

const token = "foogroup-admin";
const group = { tenant_id: "foo", group_id: "foogroup" };

/** A test with its own sandbox. If it fails, its report tells what the API was asked, and why it refused. */
function test(title: string, body: (sandbox: Sandbox) => Promise<void>): void {
  void nodeTest(title, (context) => inSandbox(title, body, (line) => context.diagnostic(line)));
}

test("a limit that is set to null is gone, and the others stay", async ({ url }) => {
  const capacities = CallCapacities.withToken(url, token, group);
  assert.equal((await capacities.get("Reception")).maxOutgoingCalls, 5);

  await capacities.update("Reception", { maxOutgoingCalls: null });

  const reception = await capacities.get("Reception");
  assert.ok(!("maxOutgoingCalls" in reception));
  assert.equal(reception.maxCalls, 7);
});

test("a limit of 0 is a limit", async ({ url }) => {
  const capacities = CallCapacities.withToken(url, token, group);
  const reception = await capacities.update("Reception", { maxIncomingCalls: 0 });
  assert.equal(reception.maxIncomingCalls, 0);
});

test("a refusal says which user is wrong, and by which rule", async ({ url }) => {
  const capacities = CallCapacities.withToken(url, token, group);
  await assert.rejects(
    capacities.update("Reception", { userIds: ["user_1", "nobody"] }),
    { status: 400, message: "the group has no user 'nobody'", rule: "CC-7", pointer: "/userIds/1" },
  );
});

test("who logs in acts in their own group", async (sandbox) => {
  const capacities = await CallCapacities.withPassword(sandbox.url, "groupadmin", "secret");
  assert.deepEqual(capacities.group, group);
  assert.equal((await capacities.get("Reception")).name, "Reception");
  assert.deepEqual((await sandbox.requests()).map((call) => call.account), ["groupadmin", "groupadmin"]);
});

test("who logs in with a wrong password is refused", async ({ url }) => {
  await assert.rejects(CallCapacities.withPassword(url, "groupadmin", "wrong"), { status: 401 });
});

test("an update is sent again after the time that a busy API asks for", async (sandbox) => {
  await sandbox.fault({ operationId: "updateCallCapacity", times: 1, status: 503, retryAfter: 1 });
  const capacities = CallCapacities.withToken(sandbox.url, token, group);

  const begin = Date.now();
  const reception = await capacities.update("Reception", { maxCalls: 8 });

  assert.equal(reception.maxCalls, 8);
  assert.ok(Date.now() - begin >= 1000);
  assert.deepEqual((await sandbox.requests()).map((call) => call.status), [503, 200]);
});

test("an API that stays busy is given up", async (sandbox) => {
  await sandbox.fault({ operationId: "getCallCapacity", status: 503, retryAfter: 0 });
  await assert.rejects(CallCapacities.withToken(sandbox.url, token, group).get("Reception"), { status: 503 });
  assert.equal((await sandbox.requests()).length, 3);
});
