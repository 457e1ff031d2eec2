import { test as base } from "@playwright/test";
import { playwrightSandbox, type Sandbox } from "./apio";

/** A test with a simulated API of its own. If it fails, the journal and the diff are attached to its report. */
export const test = base.extend<{ sandbox: Sandbox }>({ sandbox: playwrightSandbox });
