import { randomUUID } from "node:crypto";
import { test as nodeTest } from "node:test";

const server = process.env.APIO_SIMULATOR_URL ?? "http://127.0.0.1:4080";

type Call = { id: string; method: string; path: string; status?: number; account: string; explanation?: string };

/** A simulated API of its own for a test: `url` is the base URL of a client. */
export class Sandbox {
  private readonly name = randomUUID();
  readonly url = `${server}/_sandboxes/${this.name}`;

  /** A call of the control interface, about this sandbox. */
  async control(method: string, path: string, body?: unknown): Promise<unknown> {
    return call(method, `${this.url}/_simulator/${path}`, body);
  }

  /** The calls that the API got, oldest first. */
  async calls(): Promise<Call[]> {
    return ((await this.control("GET", "requests")) as { requests: Call[] }).requests;
  }

  async create(): Promise<void> {
    await call("PUT", `${server}/_simulator/sandboxes/${this.name}`);
  }

  async drop(): Promise<void> {
    await call("DELETE", `${server}/_simulator/sandboxes/${this.name}`);
  }
}

/** A test with a sandbox. If it fails, its report tells what the API was asked, and why it refused. */
export function test(title: string, body: (sandbox: Sandbox) => Promise<void>): void {
  void nodeTest(title, async (context) => {
    const sandbox = new Sandbox();
    await sandbox.create();
    try {
      await body(sandbox);
    } catch (failure) {
      for (const { method, path, status, explanation } of await sandbox.calls()) {
        context.diagnostic(`${method} ${path} ${status ?? "closed"}`);
        if (explanation) context.diagnostic(`  ${explanation}`);
      }
      throw failure;
    } finally {
      await sandbox.drop();
    }
  });
}

async function call(method: string, url: string, body?: unknown): Promise<unknown> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const response = await fetch(url, { method, ...sent });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}
