// A program with openapi-fetch. Prints a line per call. A failed assertion ends it.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const [, , baseUrl] = process.argv;
assert.ok(baseUrl);
const client = createClient<paths>({ baseUrl, headers: { Authorization: "Bearer foogroup-admin" } });
const group = { tenant_id: "foo", group_id: "foogroup" };
const executive = { ...group, user_id: "foouser" };
const capacities = "/api/v1/tenants/{tenant_id}/groups/{group_id}/services/call_capacities/";
const capacity = `${capacities}{call_capacity_name}/` as const;
const service = "/api/v1/tenants/{tenant_id}/groups/{group_id}/users/{user_id}/services/executive/";
const alerting = `${service}alerting/` as const;
const criteria = `${service}criteria/` as const;
const criterion = `${criteria}{instance_name}/` as const;
const assistants = `${service}available_assistants/` as const;

function answered(response: Response, status: number): void {
  assert.equal(response.status, status, response.url);
  console.log(status, decodeURI(response.url));
}

async function callCapacities(): Promise<void> {
  const list = await client.GET(capacities, { params: { path: group } });
  answered(list.response, 200);
  assert.deepEqual(list.data?.call_capacities.map((each) => each.name), ["Reception", "disposable"]);

  const created = await client.POST(capacities, {
    params: { path: group },
    body: { name: "Büro 1", isDefault: false, maxCalls: 3, maxIncomingCalls: 2, userIds: ["user_1", "foouser"] },
  });
  answered(created.response, 201);
  assert.equal(created.data?.maxIncomingCalls, 2);

  const read = await client.GET(capacity, { params: { path: { ...group, call_capacity_name: "Büro 1" } } });
  answered(read.response, 200);
  assert.deepEqual(read.data, created.data);

  const updated = await client.PUT(capacity, {
    params: { path: { ...group, call_capacity_name: "Büro 1" } },
    body: { name: "Büro 2", maxIncomingCalls: null },
  });
  answered(updated.response, 200);
  assert.ok(updated.data);
  assert.equal(updated.data.name, "Büro 2");
  assert.equal(updated.data.maxCalls, 3);
  assert.ok(!("maxIncomingCalls" in updated.data));
  const [first, second, ...others] = updated.data.users;
  assert.equal(first?.department, "");
  assert.ok(second && typeof second.department !== "string");
  assert.equal(second.department.departmentName, "Inside Sales");
  assert.equal(others.length, 0);

  const renamed = { params: { path: { ...group, call_capacity_name: "Büro 2" } } };
  const reread = await client.GET(capacity, renamed);
  answered(reread.response, 200);
  assert.deepEqual(reread.data, updated.data);

  answered((await client.DELETE(capacity, renamed)).response, 200);

  const gone = await client.GET(capacity, renamed);
  answered(gone.response, 404);
  assert.equal(gone.error?.errors[0]?.details.rule, "G-9");
}

async function executiveService(): Promise<void> {
  const before = await client.GET(alerting, { params: { path: executive } });
  answered(before.response, 200);
  assert.equal(before.data?.cliCustomName, "Test User");

  const cleared = await client.PUT(alerting, { params: { path: executive }, body: { cliCustomName: null } });
  answered(cleared.response, 200);
  assert.ok(cleared.data && !("cliCustomName" in cleared.data));
  assert.equal(cleared.data.cliCustomNameUnicode, "Test User Unicode");

  const after = await client.GET(alerting, { params: { path: executive } });
  answered(after.response, 200);
  assert.deepEqual(after.data, cleared.data);

  const created = await client.POST(criteria, {
    params: { path: executive },
    body: {
      name: "Büro 1",
      timeSchedule: { level: "User", name: "Mornings" },
      fromDnCriteria: { selection: "Specified Only", phoneNumbers: ["+3225551120"] },
    },
  });
  answered(created.response, 200);
  assert.equal(created.data?.timeSchedule?.name, "Mornings");
  assert.equal(created.data.active, true);

  const read = await client.GET(criterion, { params: { path: { ...executive, instance_name: "Büro 1" } } });
  answered(read.response, 200);
  assert.deepEqual(read.data, created.data);

  const updated = await client.PUT(criterion, {
    params: { path: { ...executive, instance_name: "Büro 1" } },
    body: { name: "Büro 2", timeSchedule: null, fromDnCriteria: { includeAnonymousCallers: true } },
  });
  answered(updated.response, 200);
  assert.ok(updated.data && !("timeSchedule" in updated.data));
  assert.equal(updated.data.name, "Büro 2");
  assert.equal(updated.data.fromDnCriteria.includeAnonymousCallers, true);
  assert.deepEqual(updated.data.fromDnCriteria.phoneNumbers, ["+3225551120"]);

  const renamed = { params: { path: { ...executive, instance_name: "Büro 2" } } };
  answered((await client.DELETE(criterion, renamed)).response, 200);

  const gone = await client.GET(criterion, renamed);
  answered(gone.response, 404);
  assert.equal(gone.error?.errors[0]?.details.rule, "EX-14");

  const here = await client.GET(assistants, { params: { path: executive } });
  answered(here.response, 200);
  assert.equal(here.data?.users.length, 2);

  const anywhere = await client.GET(assistants, { params: { path: executive, query: { sameGroupOnly: false } } });
  answered(anywhere.response, 200);
  assert.equal(anywhere.data?.users.length, 4);
}

const login = await client.POST("/api/v1/login/", { body: { username: "groupadmin", password: "secret" } });
answered(login.response, 200);
assert.equal(login.data?.ids.group_id, "foogroup");
assert.equal(login.data.profile.user_level, 8);
await callCapacities();
await executiveService();
