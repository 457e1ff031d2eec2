import { test as base } from "@playwright/test";

const server = process.env.APIO_SIMULATOR_URL ?? "http://127.0.0.1:4080";

export const test = base.extend<{ api: string }>({
  api: async ({ request }, use, info) => {
    const name = `${info.testId}-${info.repeatEachIndex}-${info.retry}`;
    await request.put(`${server}/_simulator/sandboxes/${name}`, { failOnStatusCode: true });
    await use(`${server}/_sandboxes/${name}`);
    if (info.status !== info.expectedStatus) {
      const journal = await request.get(`${server}/_sandboxes/${name}/_simulator/requests`);
      await info.attach("calls of the API", { body: await journal.body(), contentType: "application/json" });
    }
    await request.delete(`${server}/_simulator/sandboxes/${name}`);
  },
});
