/**
 * Drives an apio-simulator from tests: one file to copy, without dependencies, for Node.js 20 or newer.
 *
 * The verbs are those of the simulator's Python library. Arguments and results have the names and shapes of the control
 * interface, which is documented at /_simulator/control-docs of a running simulator.
 */

const SECONDS = 10;

/** No simulator answers at the address. */
export class Unreachable extends Error {}

/** The simulator refused a call. `faults` has all reasons, each with its code, its rule and the place in the body. */
export class Refused extends Error {
  constructor(
    call: string,
    readonly status: number,
    readonly faults: ErrorEntry[],
  ) {
    const reasons = faults.map(({ details }) => `${details.pointer ?? ""} ${details.reason} (${details.rule})`.trim());
    super(`${call}: ${status} ${reasons.join("; ")}`);
  }
}

/** A running simulator. */
export class Simulator {
  private constructor(
    /** The address of the server. It is also the base URL of the sandbox `default`. */
    readonly url: string,
    private readonly token: string | undefined,
  ) {}

  /** Waits until the simulator at `url` is healthy. By default that is the one at `APIO_SIMULATOR_URL`. */
  static async connect(
    url: string = process.env.APIO_SIMULATOR_URL ?? "http://127.0.0.1:4080",
    { controlToken = process.env.APIO_SIMULATOR_CONTROL_TOKEN, seconds = SECONDS }: ConnectOptions = {},
  ): Promise<Simulator> {
    const simulator = new Simulator(url.replace(/\/+$/, ""), controlToken);
    for (const end = Date.now() + 1000 * seconds; ; ) {
      try {
        await simulator.call("GET", "/_simulator/health");
        return simulator;
      } catch (failure) {
        if (Date.now() >= end) throw failure;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** The sandbox that answers calls whose path names none. */
  get default(): Sandbox {
    return new Sandbox(this, "default");
  }

  /** Creates a fresh sandbox, which replaces one of the same name. With a `fixture`, that is its seed. */
  async sandbox(name: string = crypto.randomUUID(), fixture?: State): Promise<Sandbox> {
    await this.call("PUT", `/_simulator/sandboxes/${encodeURIComponent(name)}`, fixture && { fixture });
    return new Sandbox(this, name);
  }

  /** What the calls to all sandboxes have used, including calls before a reset and dropped sandboxes. */
  async coverage(): Promise<Coverage> {
    return (await this.call("GET", "/_simulator/coverage?sandbox=*")) as Coverage;
  }

  /** Waits until a stream of the control interface ends or breaks off, for at most some seconds. */
  async untilEnd(path: string, seconds: number): Promise<void> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    try {
      const response = await fetch(this.url + path, { headers, signal: AbortSignal.timeout(1000 * seconds) });
      await response.text();
      if (response.ok) return;
    } catch {
      // The next call shows why.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  /** Calls the control interface. Throws `Unreachable` or `Refused`. */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    let status: number;
    let text: string;
    try {
      const signal = AbortSignal.timeout(1000 * SECONDS);
      const response = await fetch(this.url + path, { method, headers, signal, ...sent });
      status = response.status;
      text = await response.text();
    } catch (cause) {
      throw new Unreachable(`no simulator answers at ${this.url}`, { cause });
    }
    let answer: unknown;
    try {
      answer = text === "" ? undefined : JSON.parse(text);
    } catch {
      throw new Unreachable(`what answers at ${this.url} with ${status} is no simulator`);
    }
    if (status < 300) return answer;
    const faults = (answer as Partial<ErrorReport> | null | undefined)?.errors;
    if (!Array.isArray(faults)) throw new Unreachable(`what answers at ${this.url} with ${status} is no simulator`);
    throw new Refused(`${method} ${this.url}${path}`, status, faults);
  }
}

/** One sandbox: a simulated API with data, journal and faults of its own. `url` is the base URL of clients. */
export class Sandbox {
  readonly url: string;
  private dropped = false;

  constructor(
    private readonly simulator: Simulator,
    readonly name: string,
  ) {
    this.url = simulator.url + this.path;
  }

  /** Takes state, sessions, journal, faults and coverage back to the seed. */
  async reset(): Promise<void> {
    await this.control("POST", "reset");
  }

  /** The state as a fixture. */
  async state(): Promise<State> {
    return (await this.control("GET", "state")) as State;
  }

  /** Replaces the state with a fixture. The seed stays. */
  async setState(fixture: State): Promise<void> {
    await this.control("PUT", "state", fixture);
  }

  /** Applies a JSON merge patch (RFC 7396) to the state, and returns what it changed. */
  async patch(document: object): Promise<Change[]> {
    return ((await this.control("PATCH", "state", document)) as Changes).changes;
  }

  /** What has changed since the seed, or since a snapshot. */
  async diff(since = "seed"): Promise<Change[]> {
    return ((await this.control("GET", `diff?since=${encodeURIComponent(since)}`)) as Diff).changes;
  }

  /** Keeps the current state under a name. */
  async snapshot(name: string): Promise<void> {
    await this.control("PUT", `snapshots/${encodeURIComponent(name)}`);
  }

  /** Takes the state back to a snapshot. Sessions, journal, faults and coverage stay. */
  async restore(name: string): Promise<void> {
    await this.control("POST", `snapshots/${encodeURIComponent(name)}/restore`);
  }

  /** The calls that the API received and that match, newest last. Without `limit`, at most the newest 100. */
  async requests(matching: RequestFilter = {}): Promise<JournalEntry[]> {
    return (await this.journal(matching)).requests;
  }

  /** Names this moment in the journal. As `since`, it stands for all later calls. */
  async cursor(): Promise<string> {
    return (await this.journal({ limit: 0 })).cursor;
  }

  /**
   * The first call that matches. Waits for it if need be. A call that came before counts too; with `since`, only later
   * calls count. Throws if there is no such call within `seconds`, and says which calls came.
   */
  async waitFor(
    matching: Omit<RequestFilter, "before" | "text"> = {},
    { seconds = SECONDS }: WaitOptions = {},
  ): Promise<JournalEntry> {
    const end = Date.now() + 1000 * seconds;
    let found = await this.journal({ ...matching, limit: matching.since ? 1 : 1e9 });
    while (found.requests.length === 0) {
      const left = (end - Date.now()) / 1000;
      if (left <= 0) throw new Error(await this.missing(matching, seconds));
      const next = { ...matching, since: found.cursor, limit: 1 };
      const most = String(Math.min(Math.ceil(left), 86400));
      await this.simulator.untilEnd(`${this.path}/_simulator/events?${query({ ...next, seconds: most })}`, left);
      found = await this.journal(next);
      // The stream may have ended at once, and may do so again.
      if (found.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return found.requests[0] as JournalEntry;
  }

  /** Makes calls slow, fail or break off. Returns the fault, with its `id` and perhaps `warnings`. */
  async fault(fault: FaultInjection): Promise<InjectedFault> {
    return (await this.control("POST", "faults", fault)) as InjectedFault;
  }

  /** Which operations, statuses and rules the calls to the sandbox have used. */
  async coverage(): Promise<Coverage> {
    return (await this.control("GET", "coverage")) as Coverage;
  }

  /** Removes the sandbox, unless this was done before. A later call to its `url` would make a fresh one, if it may. */
  async drop(): Promise<void> {
    if (this.dropped) return;
    await this.simulator.call("DELETE", `/_simulator/sandboxes/${encodeURIComponent(this.name)}`);
    this.dropped = true;
  }

  /** Makes any other call of the control interface, such as `control("DELETE", "faults")`. */
  async control(method: string, path: string, body?: unknown): Promise<unknown> {
    return this.simulator.call(method, `${this.path}/_simulator/${path}`, body);
  }

  private async journal(matching: RequestFilter): Promise<Journal> {
    return (await this.control("GET", `requests?${query(matching)}`)) as Journal;
  }

  private async missing({ since, ...wanted }: RequestFilter, seconds: number): Promise<string> {
    const calls = await this.requests(since ? { since } : {});
    const came = calls.slice(-10).map(({ method, path, status }) => `${method} ${path} ${status ?? "closed"}`);
    const others = came.length ? "these calls came last:" : "no other call came";
    return [`no call with ${JSON.stringify(wanted)} within ${seconds} s; ${others}`, ...came].join("\n");
  }

  private get path(): string {
    return `/_sandboxes/${encodeURIComponent(this.name)}`;
  }
}

function query(parameters: object): URLSearchParams {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
}

let connected: Promise<Simulator> | undefined;

/** Creates a sandbox for a test, with the title of the test in its name, on the simulator at `APIO_SIMULATOR_URL`. */
export async function sandboxFor(title: string): Promise<Sandbox> {
  connected ??= Simulator.connect();
  const unique = crypto.randomUUID().slice(-12);
  return (await connected).sandbox(`${title.replace(/\W+/g, "-").slice(0, 50)}-${unique}`);
}

/** Runs a test in its own sandbox. If the test fails, `report` gets the calls and changes in the sandbox, line by line. */
export async function inSandbox(
  title: string,
  body: (sandbox: Sandbox) => Promise<void>,
  report: (line: string) => void = console.error,
): Promise<void> {
  const sandbox = await sandboxFor(title);
  try {
    await body(sandbox);
  } catch (failure) {
    // If the sandbox is gone, the failure of the test must still be seen.
    (await whatHappened(sandbox).catch((reason) => [String(reason)])).forEach((line) => report(line));
    throw failure;
  } finally {
    await sandbox.drop();
  }
}

/** The calls in a sandbox, with the reasons for refusals, and the changes of its state, as lines for people. */
export async function whatHappened(sandbox: Sandbox): Promise<string[]> {
  const calls = await sandbox.requests();
  const changes = await sandbox.diff();
  return [
    `The calls of ${sandbox.url}:`,
    ...calls.flatMap(({ method, path, status, explanation }) => [
      `${method} ${path} ${status ?? "closed"}`,
      ...(explanation ? [`  ${explanation}`] : []),
    ]),
    changes.length ? "What has changed:" : "The state is what it was at the start.",
    ...changes.map(({ op, path, before, after }) => {
      const values = [before, after].filter((value) => value !== undefined).map((value) => JSON.stringify(value));
      return `${op} ${path}: ${values.join(" -> ")}`;
    }),
  ];
}

/**
 * A fixture for Playwright: `test.extend<{ sandbox: Sandbox }>({ sandbox: playwrightSandbox })` gives each test its own
 * sandbox. To the report of a failed test it attaches the journal, with the reasons for refusals, and the diff.
 */
export async function playwrightSandbox(
  {}: object,
  use: (sandbox: Sandbox) => Promise<void>,
  info: PlaywrightTest,
): Promise<void> {
  const sandbox = await sandboxFor(info.title);
  await use(sandbox);
  try {
    if (info.status !== info.expectedStatus) {
      for (const [name, found] of Object.entries({ journal: await sandbox.requests(), diff: await sandbox.diff() })) {
        await info.attach(name, { body: JSON.stringify(found, null, 2), contentType: "application/json" });
      }
    }
  } finally {
    await sandbox.drop();
  }
}

type ConnectOptions = { controlToken?: string | undefined; seconds?: number };

type WaitOptions = { seconds?: number };

type PlaywrightTest = {
  title: string;
  status?: string | undefined;
  expectedStatus: string;
  attach(name: string, options: { body: string; contentType: string }): Promise<void>;
};

// Generated from the simulator's contract of the control interface, by `python -m tools.contract_checks.typescript`.
interface components {
  schemas: {
    /** The body of every error answer. */
    ErrorReport: {
      /** The faults found; at least one. */
      errors: components["schemas"]["ErrorEntry"][];
    };
    /** One fault. */
    ErrorEntry: {
      code: components["schemas"]["ErrorCode"];
      /** What the code means. */
      message: string;
      details: components["schemas"]["ErrorDetails"];
    };
    /**
     * The kind of the fault: a stable number of the simulator's own. Its first three digits are the status. A code that ends in 00 comes from an injected fault. For a status that is not listed here, an injected fault has such a code as well.
     * @enum {integer}
     */
    ErrorCode: 40001 | 40002 | 40003 | 40004 | 40101 | 40102 | 40103 | 40301 | 40302 | 40303 | 40401 | 40402 | 40403 | 40404 | 40501 | 40601 | 41301 | 41501 | 42901 | 43101 | 50001 | 50301 | 50701 | 40000 | 40100 | 40300 | 40400 | 40500 | 40600 | 41300 | 41500 | 42900 | 43100 | 50000 | 50300 | 50700;
    /** What is wrong with this request. */
    ErrorDetails: {
      /** The fault in words. */
      reason: string;
      /** The rule of the ledger that the request breaks. */
      rule: string;
      /** The place in the body, as a JSON Pointer; absent if there is none. */
      pointer?: string;
    };
    /** A fixture document: the whole state of a sandbox. */
    State: {
      /**
       * The version of this format.
       * @enum {integer}
       */
      version: 1;
      /** The domain of users that are named without one: the id `boss` also finds `boss@<this domain>`. */
      defaultDomain: string;
      /** The tenants, by their ids. */
      tenants: {
        [key: string]: components["schemas"]["Tenant"];
      };
      /** The accounts that may log in, by user name. */
      accounts?: {
        [key: string]: components["schemas"]["Account"];
      };
    };
    /** A tenant. */
    Tenant: {
      /**
       * In an Enterprise, assistants may be in any group; else only in that of the user they assist.
       * @enum {string}
       */
      type: "Enterprise" | "ServiceProvider";
      /** The groups of the tenant, by their ids. */
      groups?: {
        [key: string]: components["schemas"]["Group"];
      };
    };
    /** A group of a tenant. */
    Group: {
      /** The services that are assigned to the group. */
      services?: "Call Capacity Management"[];
      /** The departments of the group, by their names. */
      departments?: {
        [key: string]: components["schemas"]["Department"];
      };
      /** The users of the group, by their ids. An id is unique in its tenant. */
      users?: {
        [key: string]: components["schemas"]["User"];
      };
      /** The call capacities of the group, oldest first. */
      callCapacities?: components["schemas"]["CallCapacityCreate"][];
    };
    /** A department of a group. */
    Department: {
      /** The department above this one, in the same group. */
      parent?: string;
    };
    /** A user of a group. */
    User: {
      /** The first name. */
      firstName: string;
      /** The last name. */
      lastName: string;
      /** The extension, in quotes: "1500". */
      extension?: string;
      /** The phone number, in quotes: "+3225126777". */
      phoneNumber?: string;
      /** The e-mail address. */
      emailAddress?: string;
      /** The user's department, one of those of the group. */
      department?: string;
      /** The services that are assigned to the user. */
      services?: ("Executive" | "Executive-Assistant")[];
      /** The user's settings as an executive. What is left out has the default of the service. */
      executive?: {
        /** The assistants of the executive. */
        assistants?: components["schemas"]["AssistantsUpdate"];
        /** Which calls are filtered. */
        filtering?: components["schemas"]["FilteringUpdate"];
        /** How filtered calls alert the executive. */
        screening?: components["schemas"]["ScreeningUpdate"];
        /** How the assistants are alerted. */
        alerting?: components["schemas"]["AlertingUpdate"];
        /** The criteria of the call filtering, oldest first. */
        criteria?: components["schemas"]["CriterionCreate"][];
      };
    };
    /** An account. It has the ids that its level needs, and no others. */
    Account: {
      /** The password for the login. */
      password: string;
      /**
       * What the account may do.
       * @enum {string}
       */
      level: "End User" | "Group Admin" | "Tenant Admin" | "System Admin";
      /** The tenant, unless the level is System Admin. */
      tenantId?: string;
      /** The group, for the levels Group Admin and End User. */
      groupId?: string;
      /** The user, for the level End User. */
      userId?: string;
      /** A bearer token that takes the place of a login. */
      token?: string;
    };
    /** What to change about the assistants; what is absent stays as it is. */
    AssistantsUpdate: {
      /** Whether assistants may join and leave the pool themselves. */
      allowOptInOut?: boolean;
      /** All assistants from now on, in this order. `null` is an empty list. */
      assistantUserIds?: string[] | null;
      /** What answers show as the assistants; accepted and ignored. */
      assistantUsers?: unknown;
    };
    /** What to change about call filtering; what is absent stays as it is. */
    FilteringUpdate: {
      /** Whether calls are filtered. */
      enabled?: boolean;
      mode?: components["schemas"]["FilteringMode"];
      type?: components["schemas"]["FilteringType"];
      /** Existing criteria to switch on or off, each at most once. */
      criteria?: components["schemas"]["FilteringCriterionUpdate"][];
    };
    /** What to change about call screening; what is absent stays as it is. */
    ScreeningUpdate: {
      /** Whether calls are screened. */
      enabled?: boolean;
      /**
       * @deprecated
       * Another name for `enabled`: the name in the attribute lists of the reference texts. If both are sent, they must agree.
       */
      enable?: boolean;
      alertType?: components["schemas"]["ScreeningAlertType"];
      /** Whether the Mobility location is alerted. */
      alertMobilityLocation?: boolean;
      /** Whether the Anywhere locations are alerted. */
      alertAnywhereLocations?: boolean;
      /** Whether the Shared Call Appearance locations are alerted. */
      alertSharedCallAppearanceLocations?: boolean;
    };
    /** What to change about call alerting; what is absent stays as it is. */
    AlertingUpdate: {
      mode?: components["schemas"]["AlertingMode"];
      cliNameMode?: components["schemas"]["CliNameMode"];
      /** The name shown in the name mode `Custom`; `null` clears it. */
      cliCustomName?: string | null;
      /** The name in Unicode, optional in the name mode `Custom`; `null` clears it. */
      cliCustomNameUnicode?: string | null;
      cliPhoneNumberMode?: components["schemas"]["CliPhoneNumberMode"];
      /** The number shown in the number mode `Custom`; `null` clears it. */
      cliCustomPhoneNumber?: string | null;
      /** After how many rings a pushed call is recalled. */
      callPushRecallAfter?: number;
      /** After how many rings the next assistant is alerted, in the mode `Sequential`. */
      nextAssistantAfter?: number;
      /** Whether unanswered calls roll over. */
      rolloverEnabled?: boolean;
      /** After how many seconds a call rolls over; `null` clears it. */
      rolloverWaitTime?: number | null;
      rolloverAction?: components["schemas"]["RolloverAction"];
      /** Where the action `Forward` sends the call; `null` clears it. */
      rolloverForwardTo?: string | null;
    };
    /** A criterion to be created. */
    CriterionCreate: {
      name: components["schemas"]["CriterionName"];
      /**
       * Whether the criterion is in force.
       * @default true
       */
      active?: boolean;
      timeSchedule?: components["schemas"]["TimeScheduleReference"];
      holidaySchedule?: components["schemas"]["HolidayScheduleReference"];
      fromDnCriteria?: components["schemas"]["FromDnCriteriaCreate"];
      /**
       * Whether the calls that match the criterion are filtered.
       * @default true
       */
      filter?: boolean;
    };
    /** The name of a criterion, unique for its executive. Any printable characters except `/`, no blank at either end, and neither `.` nor `..`. */
    CriterionName: string;
    /** The times at which the criterion is to hold; `null` for no schedule. */
    TimeScheduleReference: {
      level: components["schemas"]["ScheduleLevel"];
      name: components["schemas"]["ScheduleName"];
      /**
       * The kind of schedule; may be left out.
       * @enum {string}
       */
      type?: "Time";
    } | null;
    /** The holidays on which the criterion is to hold; `null` for no schedule. */
    HolidayScheduleReference: {
      level: components["schemas"]["ScheduleLevel"];
      name: components["schemas"]["ScheduleName"];
      /**
       * The kind of schedule; may be left out.
       * @enum {string}
       */
      type?: "Holiday";
    } | null;
    /** The callers whom a new criterion is about. */
    FromDnCriteriaCreate: {
      /**
       * Which callers the criterion is about.
       * @default Any
       * @enum {string}
       */
      selection?: "Any" | "Any Internal" | "Any External" | "Specified Only";
      /**
       * Whether callers who withhold their number are included.
       * @default false
       */
      includeAnonymousCallers?: boolean;
      /**
       * Whether callers whose number is not available are included.
       * @default false
       */
      includeUnavailableCallers?: boolean;
      /**
       * The numbers of the specified callers.
       * @default []
       */
      phoneNumbers?: string[];
    };
    /**
     * Where the schedule is kept.
     * @enum {string}
     */
    ScheduleLevel: "User" | "Group" | "Tenant";
    /** The name of the schedule. Whether it exists is not checked. */
    ScheduleName: string;
    /**
     * Whether the assistants are alerted all at once or one after the other.
     * @enum {string}
     */
    AlertingMode: "Simultaneous" | "Sequential";
    /**
     * Which name the assistants see as the caller's.
     * @enum {string}
     */
    CliNameMode: "Executive" | "Executive-Originator" | "Originator-Executive" | "Originator" | "Custom";
    /**
     * Which number the assistants see as the caller's.
     * @enum {string}
     */
    CliPhoneNumberMode: "Executive" | "Originator" | "Custom";
    /**
     * What happens to a call that rolls over.
     * @enum {string}
     */
    RolloverAction: "Voice Messaging" | "Forward" | "No Answer Processing";
    /**
     * How the executive is alerted.
     * @enum {string}
     */
    ScreeningAlertType: "Silent" | "Ring Splash";
    /**
     * Whether the predefined type or the criteria select the calls.
     * @enum {string}
     */
    FilteringMode: "Simple" | "Advanced";
    /**
     * The predefined selection that the mode `Simple` uses.
     * @enum {string}
     */
    FilteringType: "All Calls" | "All Internal Calls" | "All External Calls";
    /** An existing criterion to switch on or off. What else a criterion has is accepted and ignored. */
    FilteringCriterionUpdate: {
      /** The name of an existing criterion. */
      name: components["schemas"]["CriterionName"];
      /** Whether the criterion is in force; unchanged where absent. */
      active?: boolean;
      /** Accepted and ignored. */
      timeSchedule?: components["schemas"]["TimeScheduleReference"];
      /** Accepted and ignored. */
      holidaySchedule?: components["schemas"]["HolidayScheduleReference"];
      /** Accepted and ignored. */
      fromDnCriteria?: components["schemas"]["FromDnCriteriaUpdate"];
      /** Accepted and ignored. */
      filter?: boolean;
    };
    /** What to change about the callers; what is absent stays as it is. */
    FromDnCriteriaUpdate: {
      selection?: components["schemas"]["CallerSelection"];
      /** Whether callers who withhold their number are included. */
      includeAnonymousCallers?: boolean;
      /** Whether callers whose number is not available are included. */
      includeUnavailableCallers?: boolean;
      /** All numbers of the specified callers from now on. */
      phoneNumbers?: components["schemas"]["CallerNumbers"];
    };
    /**
     * Which callers a criterion is about.
     * @enum {string}
     */
    CallerSelection: "Any" | "Any Internal" | "Any External" | "Specified Only";
    /** The numbers of the specified callers. */
    CallerNumbers: string[];
    /** A call capacity to be created. */
    CallCapacityCreate: {
      name: components["schemas"]["CallCapacityName"];
      /** Whether this becomes the default of the group. A group has at most one default. */
      isDefault: boolean;
      /** How many calls the members may have at the same time; 0 means none. */
      maxCalls: components["schemas"]["CallLimit"];
      /** The same for incoming calls; no limit where it is absent or `null`. */
      maxIncomingCalls?: components["schemas"]["CallLimitOrNone"];
      /** The same for outgoing calls; no limit where it is absent or `null`. */
      maxOutgoingCalls?: components["schemas"]["CallLimitOrNone"];
      /** The members; users of this group who are in no other capacity. */
      userIds?: string[];
      /** What answers show as the members; accepted and ignored. */
      users?: unknown;
    };
    /** The name of a call capacity, unique in its group. Any printable characters except `/`, no blank at either end, and neither `.` nor `..`. */
    CallCapacityName: string;
    /** How many calls may take place at the same time; 0 means none. */
    CallLimit: number;
    /** A limit, or `null` for no limit. */
    CallLimitOrNone: number | null;
    /** What has changed in the state. */
    Diff: {
      /** What the state was compared with; `seed` or the name of a snapshot. */
      since: string;
      /** The changes; empty if nothing changed. */
      changes: components["schemas"]["Change"][];
    };
    /** What a patch has changed. */
    Changes: {
      /** The changes; empty if nothing changed. */
      changes: components["schemas"]["Change"][];
    };
    /** One change. */
    Change: {
      /**
       * What happened to the value.
       * @enum {string}
       */
      op: "add" | "remove" | "replace";
      /** The place in the state document, written like a JSON Pointer. Named items of a list have their name in it instead of a number. */
      path: string;
      /** The value before; absent for `add`. */
      before?: unknown;
      /** The value now; absent for `remove`. */
      after?: unknown;
    };
    /** A request or an answer as it was sent, without secrets. */
    Message: {
      /** The headers by name. */
      headers: {
        [key: string]: string;
      };
      /** The body as a JSON value, or as text if it is not JSON. Absent if there was none. */
      body?: unknown;
      /** The size of the body. */
      bodyBytes: number;
      /** Whether only the beginning of the body was kept. */
      bodyCut?: boolean;
    };
    /** Whether a request can be sent again as it was, and how. */
    Replay: {
      /** Whether the journal has everything that the same request needs, apart from credentials. */
      replayable: boolean;
      /** In words, what is missing; absent if the request can be sent again. */
      reason?: string;
      /** The headers with which the client proved who it is. The journal does not keep their values, so they have to be added; absent if there were none. */
      credentials?: string[];
      /** A command for a shell that sends the request with curl; absent if it cannot be sent again. */
      command?: string;
      /** JavaScript that sends it; absent if it cannot be sent again, or not by `fetch`. */
      fetch?: string;
      /** Python that sends it; absent if it cannot be sent again, or not by httpx. */
      httpx?: string;
      /** Its path and query, encoded, below the address of the sandbox; absent if it cannot be sent again. */
      target?: string;
      /** The headers that it needs, apart from credentials; absent if there are none. */
      headers?: {
        [key: string]: string;
      };
      /** Its body as it was sent; absent if it has none, or one that is not UTF-8. */
      body?: string;
    };
    /** A request that was received, and its answer. */
    JournalEntry: {
      /** The id of the request. */
      id: string;
      /** When it was received (RFC 3339). */
      time: string;
      /** The name of its sandbox. */
      sandbox: string;
      /** The operation that was called; absent if there is none for the request. */
      operationId?: string;
      /** The method of the request. */
      method: string;
      /** The path of the request. */
      path: string;
      /** The query of the request; absent if there was none. */
      query?: string;
      /** The status of the answer; absent if the connection was closed without an answer. */
      status?: number;
      /** How long the answer took, in milliseconds. */
      durationMs: number;
      /** The account that called. A call without credentials that acts as System Admin has the account `anonymous`. Absent if there were wrong credentials, or if none were looked at. */
      account?: string;
      /** The request. */
      request: components["schemas"]["Message"];
      /** The answer; absent if there was none. */
      response?: components["schemas"]["Message"];
      /** The rule of the ledger by which the request was refused; absent if it was not refused. */
      rule?: string;
      /** What that rule rests on. */
      basis?: string[];
      /** The rules whose assumed part decided the answer; absent if there are none. */
      assumed?: string[];
      /** What was sent and ignored. An attribute is given by its JSON Pointer, a query parameter by `?` and its name. Absent if nothing was ignored. */
      ignored?: string[];
      /** In words, why the request was refused, what an injected fault did, or how a page may lose its session, or has lost it. Absent if there is nothing to explain. */
      explanation?: string;
      /** An unknown name in the path, and the most similar name that there is. Absent if all names of the path are known, or if none is similar. */
      suggestion?: {
        /** The name that was sent. */
        asked: string;
        /** The existing name that was probably meant. */
        meant: string;
      };
      /** The id of the injected fault that took effect; absent if none did. */
      fault?: string;
      /**
       * How an injected fault broke the connection; absent if none did.
       * @enum {string}
       */
      abort?: "close" | "truncate";
      /** How to send the request again. Lists leave it out. */
      replay?: components["schemas"]["Replay"];
      /** The id of the request before this one. Lists leave it out; absent if there is none. */
      previous?: string;
      /** The id of the request after this one. Lists leave it out; absent if there is none. */
      next?: string;
    };
    /** The requests that match. */
    Journal: {
      /** How many requests match, including those that `limit` left out. */
      total: number;
      /** Send it as `since` in the next call, to get what came after this answer. */
      cursor: string;
      /** The requests, newest last. */
      requests: components["schemas"]["JournalEntry"][];
    };
    /** A fault to be injected. At least one of `delayMs`, `status` and `abort` is required. */
    FaultInjection: {
      /** The operation of the simulated API that the fault affects. `*` stands for all operations. */
      operationId: string;
      /** Only calls with this tenant in their path. */
      tenantId?: string;
      /** Only calls with this group in their path. */
      groupId?: string;
      /** Only calls with this user in their path. */
      userId?: string;
      /** How many matching calls pass before the fault takes effect. */
      after?: number;
      /** How often the fault takes effect. If absent, there is no end. */
      times?: number;
      /** How long the answer is delayed, in milliseconds. */
      delayMs?: number;
      /** The status to answer with, instead of calling the operation. */
      status?: number;
      /** The body to answer with that status. Its integers have 64 bits at most. If absent, the answer has the shape of every error. */
      body?: {
        [key: string]: unknown;
      };
      /** The value of the answer's header `Retry-After`, in seconds. */
      retryAfter?: number;
      /**
       * How the connection is broken. `close` closes it without an answer, `truncate` in the middle of the answer.
       * @enum {string}
       */
      abort?: "close" | "truncate";
    };
    /** An injected fault. */
    InjectedFault: {
      /** The id of the fault. */
      id: string;
      /** The operation of the simulated API that the fault affects. `*` stands for all operations. */
      operationId: string;
      /** Only calls with this tenant in their path. */
      tenantId?: string;
      /** Only calls with this group in their path. */
      groupId?: string;
      /** Only calls with this user in their path. */
      userId?: string;
      /** How many matching calls pass before the fault takes effect. */
      after?: number;
      /** How often the fault takes effect. If absent, there is no end. */
      times?: number;
      /** How long the answer is delayed, in milliseconds. */
      delayMs?: number;
      /** The status to answer with, instead of calling the operation. */
      status?: number;
      /** The body to answer with that status. Its integers have 64 bits at most. If absent, the answer has the shape of every error. */
      body?: {
        [key: string]: unknown;
      };
      /** The value of the answer's header `Retry-After`, in seconds. */
      retryAfter?: number;
      /**
       * How the connection is broken. `close` closes it without an answer, `truncate` in the middle of the answer.
       * @enum {string}
       */
      abort?: "close" | "truncate";
      /** How often the fault took effect. */
      hits: number;
      /** What is allowed but unusual about the fault, in words. Empty if there is nothing. */
      warnings: string[];
    };
    /** How often an operation answered with a status. */
    StatusCoverage: {
      /** Whether the contract documents the status for the operation. */
      documented: boolean;
      /** How often the operation answered with it. */
      hits: number;
    };
    /** How often an operation was called, and how it answered. */
    OperationCoverage: {
      /** The operation. */
      operationId: string;
      /** Its method. */
      method: string;
      /** Its path, as the contract states it. */
      path: string;
      /** How often it was called. */
      hits: number;
      /** The answers by status. All documented statuses are listed, and others that were answered. */
      statuses: {
        [key: string]: components["schemas"]["StatusCoverage"];
      };
      /** How often calls were refused, by the rule of the ledger. */
      rules: {
        [key: string]: number;
      };
      /** How often answers rested on the assumed part of a rule, by that rule. */
      assumed: {
        [key: string]: number;
      };
      /** How often something was sent and ignored. An attribute is given by its JSON Pointer, with `*` for any item of an array. A query parameter is given by `?` and its name. */
      ignored: {
        [key: string]: number;
      };
    };
    /** Calls of a path or method that no operation documents. */
    UndocumentedCall: {
      /** The method that was called. */
      method: string;
      /** The path that was called. */
      path: string;
      /** The status that was answered. */
      status: number;
      /** How often this was called. */
      hits: number;
    };
    /** The sums over all operations; only documented statuses count. */
    CoverageTotals: {
      /** The number of operations. */
      operations: number;
      /** How many operations were called. */
      operationsHit: number;
      /** The number of documented statuses, summed over the operations. */
      statuses: number;
      /** How many of these statuses were answered. */
      statusesHit: number;
    };
    /** Which parts of the simulated API were exercised. */
    Coverage: {
      /** The name of the sandbox, or `*` for all sandboxes. */
      sandbox: string;
      /** All operations of the simulated API. */
      operations: components["schemas"]["OperationCoverage"][];
      /** The calls of paths or methods that no operation documents. Empty if there were none. */
      undocumented: components["schemas"]["UndocumentedCall"][];
      totals: components["schemas"]["CoverageTotals"];
    };
    /** Which calls are meant. */
    RequestFilter: {
      /** Only calls of this operation. */
      operationId?: string;
      /** Only requests with this method. */
      method?: string;
      /** Only requests with exactly this path. `*` stands for any characters. */
      path?: string;
      /** Only requests answered with this status, or with a status of this class. */
      status?: string;
      /** Only requests that were refused by this rule of the ledger. */
      rule?: string;
      /** Only requests of this account; `anonymous` for those without credentials. */
      account?: string;
      /** Only requests with this text in their path, query, explanation or account, or in a body as far as it was kept. Case does not count. */
      text?: string;
      /** Only requests that came into the journal later. The value is the `cursor` of an answer, or the id of a request in the journal. */
      since?: string;
      /** Only requests that came into the journal earlier. The value is a cursor, or the id of a request in the journal. It excludes `since`. */
      before?: string;
      /**
       * How many requests to return at most. If more match, the newest, or with `since` the oldest.
       * @default 100
       */
      limit?: number;
    };
  };
}
export type ErrorReport = components["schemas"]["ErrorReport"];
export type ErrorEntry = components["schemas"]["ErrorEntry"];
export type ErrorCode = components["schemas"]["ErrorCode"];
export type ErrorDetails = components["schemas"]["ErrorDetails"];
export type State = components["schemas"]["State"];
export type Tenant = components["schemas"]["Tenant"];
export type Group = components["schemas"]["Group"];
export type Department = components["schemas"]["Department"];
export type User = components["schemas"]["User"];
export type Account = components["schemas"]["Account"];
export type AssistantsUpdate = components["schemas"]["AssistantsUpdate"];
export type FilteringUpdate = components["schemas"]["FilteringUpdate"];
export type ScreeningUpdate = components["schemas"]["ScreeningUpdate"];
export type AlertingUpdate = components["schemas"]["AlertingUpdate"];
export type CriterionCreate = components["schemas"]["CriterionCreate"];
export type CriterionName = components["schemas"]["CriterionName"];
export type TimeScheduleReference = components["schemas"]["TimeScheduleReference"];
export type HolidayScheduleReference = components["schemas"]["HolidayScheduleReference"];
export type FromDnCriteriaCreate = components["schemas"]["FromDnCriteriaCreate"];
export type ScheduleLevel = components["schemas"]["ScheduleLevel"];
export type ScheduleName = components["schemas"]["ScheduleName"];
export type AlertingMode = components["schemas"]["AlertingMode"];
export type CliNameMode = components["schemas"]["CliNameMode"];
export type CliPhoneNumberMode = components["schemas"]["CliPhoneNumberMode"];
export type RolloverAction = components["schemas"]["RolloverAction"];
export type ScreeningAlertType = components["schemas"]["ScreeningAlertType"];
export type FilteringMode = components["schemas"]["FilteringMode"];
export type FilteringType = components["schemas"]["FilteringType"];
export type FilteringCriterionUpdate = components["schemas"]["FilteringCriterionUpdate"];
export type FromDnCriteriaUpdate = components["schemas"]["FromDnCriteriaUpdate"];
export type CallerSelection = components["schemas"]["CallerSelection"];
export type CallerNumbers = components["schemas"]["CallerNumbers"];
export type CallCapacityCreate = components["schemas"]["CallCapacityCreate"];
export type CallCapacityName = components["schemas"]["CallCapacityName"];
export type CallLimit = components["schemas"]["CallLimit"];
export type CallLimitOrNone = components["schemas"]["CallLimitOrNone"];
export type Diff = components["schemas"]["Diff"];
export type Changes = components["schemas"]["Changes"];
export type Change = components["schemas"]["Change"];
export type Message = components["schemas"]["Message"];
export type Replay = components["schemas"]["Replay"];
export type JournalEntry = components["schemas"]["JournalEntry"];
export type Journal = components["schemas"]["Journal"];
export type FaultInjection = components["schemas"]["FaultInjection"];
export type InjectedFault = components["schemas"]["InjectedFault"];
export type StatusCoverage = components["schemas"]["StatusCoverage"];
export type OperationCoverage = components["schemas"]["OperationCoverage"];
export type UndocumentedCall = components["schemas"]["UndocumentedCall"];
export type CoverageTotals = components["schemas"]["CoverageTotals"];
export type Coverage = components["schemas"]["Coverage"];
export type RequestFilter = components["schemas"]["RequestFilter"];
