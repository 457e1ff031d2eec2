// A program with the generated axios client. Prints a line per call. A failed assertion ends it.
import assert from "node:assert/strict";
import globalAxios from "axios";
import type { AxiosResponse } from "axios";
import { CallCapacitiesApi, Configuration, ExecutiveApi, LoginApi } from "./client/index.js";
import type { CallCapacityUpdate, CriterionUpdate, ErrorReport } from "./client/index.js";

const [, , basePath] = process.argv;
assert.ok(basePath);
const configuration = new Configuration({ basePath, accessToken: "foogroup-admin" });
const callCapacities = new CallCapacitiesApi(configuration);
const executive = new ExecutiveApi(configuration);
const group = ["foo", "foogroup"] as const;
const user = [...group, "foouser"] as const;

async function answered<T>(status: number, call: Promise<AxiosResponse<T>>): Promise<T> {
  const answer = await call;
  assert.equal(answer.status, status);
  console.log(answer.status, answer.config.method, decodeURI(answer.config.url ?? ""));
  return answer.data;
}

async function notFound(rule: string, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(globalAxios.isAxiosError<ErrorReport>(error));
    assert.equal(error.response?.status, 404);
    assert.equal(error.response.data.errors[0]?.details.rule, rule);
    return true;
  });
  console.log(404);
}

async function walkCallCapacities(): Promise<void> {
  const list = await answered(200, callCapacities.listCallCapacities(...group));
  assert.deepEqual(list.call_capacities.map((each) => each.name), ["Reception", "disposable"]);

  const created = await answered(
    201,
    callCapacities.createCallCapacity(...group, {
      name: "Büro 1",
      isDefault: false,
      maxCalls: 3,
      maxIncomingCalls: 2,
      userIds: new Set(["user_1", "foouser"]),
    }),
  );
  assert.equal(created.maxIncomingCalls, 2);
  assert.deepEqual(await answered(200, callCapacities.getCallCapacity(...group, "Büro 1")), created);

  const update: CallCapacityUpdate = { name: "Büro 2", maxIncomingCalls: null };
  const updated = await answered(200, callCapacities.updateCallCapacity(...group, "Büro 1", update));
  assert.equal(updated.name, "Büro 2");
  assert.equal(updated.maxCalls, 3);
  assert.ok(!("maxIncomingCalls" in updated));
  const [first, second, ...others] = updated.users;
  assert.equal(first?.department, "");
  assert.ok(second && typeof second.department !== "string");
  assert.equal(second.department.departmentName, "Inside Sales");
  assert.equal(others.length, 0);
  assert.deepEqual(await answered(200, callCapacities.getCallCapacity(...group, "Büro 2")), updated);

  await answered(200, callCapacities.deleteCallCapacity(...group, "Büro 2"));
  await notFound("G-9", callCapacities.getCallCapacity(...group, "Büro 2"));
}

async function walkExecutive(): Promise<void> {
  assert.equal((await answered(200, executive.getAlerting(...user))).cliCustomName, "Test User");
  const cleared = await answered(200, executive.updateAlerting(...user, { cliCustomName: null }));
  assert.ok(!("cliCustomName" in cleared));
  assert.equal(cleared.cliCustomNameUnicode, "Test User Unicode");
  assert.deepEqual(await answered(200, executive.getAlerting(...user)), cleared);

  const created = await answered(
    200,
    executive.createCriterion(...user, {
      name: "Büro 1",
      timeSchedule: { level: "User", name: "Mornings" },
      fromDnCriteria: { selection: "Specified Only", phoneNumbers: ["+3225551120"] },
    }),
  );
  assert.equal(created.timeSchedule?.name, "Mornings");
  assert.equal(created.active, true);
  assert.deepEqual(await answered(200, executive.getCriterion(...user, "Büro 1")), created);

  const update: CriterionUpdate = {
    name: "Büro 2",
    timeSchedule: null,
    fromDnCriteria: { includeAnonymousCallers: true },
  };
  const updated = await answered(200, executive.updateCriterion(...user, "Büro 1", update));
  assert.equal(updated.name, "Büro 2");
  assert.ok(!("timeSchedule" in updated));
  assert.equal(updated.fromDnCriteria.includeAnonymousCallers, true);
  assert.deepEqual(updated.fromDnCriteria.phoneNumbers, ["+3225551120"]);

  await answered(200, executive.deleteCriterion(...user, "Büro 2"));
  await notFound("EX-14", executive.getCriterion(...user, "Büro 2"));

  assert.equal((await answered(200, executive.listAvailableAssistants(...user))).users.length, 2);
  assert.equal((await answered(200, executive.listAvailableAssistants(...user, false))).users.length, 4);
}

const login = await answered(200, new LoginApi(configuration).login({ username: "groupadmin", password: "secret" }));
assert.equal(login.ids.group_id, "foogroup");
assert.equal(login.profile.user_level, 8);
await walkCallCapacities();
await walkExecutive();
