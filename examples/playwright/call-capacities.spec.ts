import { expect, type Page } from "@playwright/test";
import { test } from "./fixtures";

async function logIn(page: Page, api: string, password = "secret"): Promise<void> {
  await page.goto(`/?api=${encodeURIComponent(api)}`);
  await page.getByLabel("User name").fill("groupadmin");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

const outgoing = (page: Page, capacity: string) =>
  page.getByRole("listitem").filter({ hasText: capacity }).getByLabel("Outgoing calls");

async function save(page: Page, capacity: string, limit: string): Promise<void> {
  await outgoing(page, capacity).fill(limit);
  await outgoing(page, capacity).press("Enter");
}

test("after login, the page shows the capacities of the group", async ({ page, sandbox }) => {
  await logIn(page, sandbox.url);
  await expect(page.getByRole("listitem")).toContainText(["Reception", "disposable"]);
  await expect(outgoing(page, "Reception")).toHaveValue("5");
  await expect(outgoing(page, "disposable")).toHaveValue("");

  expect(await sandbox.requests({ operationId: "listCallCapacities" })).toMatchObject([{ account: "groupadmin" }]);
});

test("a wrong password is told", async ({ page, sandbox }) => {
  await logIn(page, sandbox.url, "wrong");
  await expect(page.getByRole("alert")).toHaveText("the user name or the password is wrong");
  await expect(page.getByRole("listitem")).toHaveCount(0);
});

for (const limit of ["3", ""]) {
  test(`a limit of 5 can be changed to ${limit || "no limit"}`, async ({ page, sandbox }) => {
    await logIn(page, sandbox.url);
    await expect(outgoing(page, "Reception")).toHaveValue("5");

    await save(page, "Reception", limit);
    await expect(page.getByRole("status")).toHaveText("Saved");
    await logIn(page, sandbox.url);

    await expect(outgoing(page, "Reception")).toHaveValue(limit);
  });
}

test("a limit that is refused is explained, and nothing is changed", async ({ page, sandbox }) => {
  await logIn(page, sandbox.url);
  await save(page, "Reception", "100000");
  await expect(page.getByRole("alert")).toHaveText("must be 99999 or less, not 100000");

  await logIn(page, sandbox.url);
  await expect(outgoing(page, "Reception")).toHaveValue("5");
});

test("an API that is down is no reason for an empty page", async ({ page, sandbox }) => {
  await sandbox.fault({ operationId: "listCallCapacities", status: 503, times: 1 });
  await logIn(page, sandbox.url);
  await expect(page.getByRole("alert")).toHaveText("Telephony is not available (503). Try again later.");

  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("listitem")).toHaveCount(2);
  await expect(page.getByRole("alert")).toBeEmpty();
});
