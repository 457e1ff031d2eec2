import { defineConfig } from "@playwright/test";
import { existsSync } from "node:fs";

const simulator = new URL(process.env.APIO_SIMULATOR_URL ?? "http://127.0.0.1:4080");
const debian = "/usr/bin/chromium";
const chromium = process.env.CHROMIUM ?? (existsSync(debian) ? debian : undefined);

export default defineConfig({
  // The default of five seconds is short for a CI system that runs many jobs at a time.
  expect: { timeout: 10_000 },
  use: {
    // A browser sends the login's cookie only if page and API have the same host name; the ports may differ.
    baseURL: `http://${simulator.hostname}:${process.env.PAGE_PORT}`,
    launchOptions: {
      // Without a path, the Chromium that `npx playwright install chromium` downloads.
      ...(chromium && { executablePath: chromium }),
      args: ["--disable-gpu", "--disable-quic"],
    },
  },
  webServer: {
    command: "node page/serve.js",
    // The page is served at a free port.
    wait: { stdout: /at port (?<PAGE_PORT>\d+)/ },
  },
});
