import { setTimeout } from "node:timers/promises";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./api.js";

const capacity = "/api/v1/tenants/{tenant_id}/groups/{group_id}/services/call_capacities/{call_capacity_name}/";
const attempts = 3;

export type Group = { tenant_id: string; group_id: string };
export type CallCapacity = components["schemas"]["CallCapacityInstance"];
type Report = components["schemas"]["ErrorReport"];

/** What the API refused: for people in the message, for programs in rule and pointer. */
export class Refusal extends Error {
  readonly rule: string | undefined;
  readonly pointer: string | undefined;

  constructor(readonly status: number, report: Report) {
    const first = report.errors[0];
    super(first ? (first.details.reason ?? first.message) : `refused with ${status}`);
    this.rule = first?.details.rule;
    this.pointer = first?.details.pointer;
  }
}

/** The call capacities of a group, as the holder of a token or of a session sees them. */
export class CallCapacities {
  private constructor(
    private readonly api: Client<paths>,
    readonly group: Group,
  ) {}

  static withToken(baseUrl: string, token: string, group: Group): CallCapacities {
    return new CallCapacities(connect(baseUrl, { Authorization: `Bearer ${token}` }), group);
  }

  /** Logs in. Node keeps no cookies, so the session is carried along by hand. */
  static async withPassword(baseUrl: string, username: string, password: string): Promise<CallCapacities> {
    const { data, error, response } = await connect(baseUrl).POST("/api/v1/login/", { body: { username, password } });
    if (!data) throw new Refusal(response.status, error);
    const { tenant_id, group_id } = data.ids;
    if (!tenant_id || !group_id) throw new Error(`${username} is not at home in a group`);
    const session = response.headers.getSetCookie().map((cookie) => cookie.split(";")[0]);
    return new CallCapacities(connect(baseUrl, { Cookie: session.join("; ") }), { tenant_id, group_id });
  }

  async get(name: string): Promise<CallCapacity> {
    const path = { ...this.group, call_capacity_name: name };
    const { data, error, response } = await this.api.GET(capacity, { params: { path } });
    if (!data) throw new Refusal(response.status, error);
    return data;
  }

  /** Changes what is given; `null` removes a limit. */
  async update(name: string, body: components["schemas"]["CallCapacityUpdate"]): Promise<CallCapacity> {
    const path = { ...this.group, call_capacity_name: name };
    const { data, error, response } = await this.api.PUT(capacity, { params: { path }, body });
    if (!data) throw new Refusal(response.status, error);
    return data;
  }
}

function connect(baseUrl: string, headers: Record<string, string> = {}): Client<paths> {
  return createClient<paths>({ baseUrl, headers, fetch: patiently });
}

/** Asks again as often as it makes sense, when the API says how many seconds to wait. */
async function patiently(request: Request): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(request.clone());
    const seconds = response.headers.get("Retry-After");
    if (response.status !== 503 || seconds === null || attempt === attempts) return response;
    await setTimeout(Number(seconds) * 1000);
  }
}
