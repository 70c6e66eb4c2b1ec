// The test STS in a process of its own, and its control interface as functions.
import { join } from "node:path";
import type { Call, Match } from "./calls.ts";
import type { Fault } from "./faults.ts";
import type { MfaDevice } from "./mfa.ts";
import type { RoleDefinitions } from "./roles.ts";
import type { StsServerOptions } from "./server.ts";

/** What main.ts prints. */
export interface StsAddress {
  readonly url: string;
  /** The user's long-term pair. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly arn: string;
  readonly accountId: string;
  /** PEM, with TLS only. */
  readonly certificate?: string;
}

export interface StsControl {
  calls(action?: string): Promise<Call[]>;
  count(action?: string, match?: Match): Promise<number>;
  /** The most calls under way at one time. */
  peak(): Promise<number>;
  addFault(fault: Fault): Promise<void>;
  clearFaults(): Promise<void>;
  /** Milliseconds by which the server's clock is to be ahead. */
  setClock(offset: number): Promise<void>;
  defineRoles(roles: RoleDefinitions): Promise<void>;
  setMfa(device: MfaDevice): Promise<void>;
  reset(): Promise<void>;
}

export interface StsProcess extends StsAddress {
  readonly pid: number;
  readonly control: StsControl;
  stop(): Promise<void>;
}

/** Starts a server and waits until it listens. `now` cannot be passed on: that clock is the system's. */
export async function spawnSts(options: Omit<StsServerOptions, "now"> = {}): Promise<StsProcess> {
  const command = [process.execPath, join(import.meta.dir, "main.ts"), JSON.stringify(options)];
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const address = JSON.parse(await readLine(child.stdout)) as StsAddress;
  return {
    ...address,
    pid: child.pid,
    control: controlOf(address),
    stop: async () => {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

function controlOf({ url, certificate }: Pick<StsAddress, "url" | "certificate">): StsControl {
  async function call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${url}/_control/${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(certificate !== undefined && { tls: { ca: certificate } }),
    });
    if (!response.ok) throw new Error(`the test STS refused ${method} ${path}: ${await response.text()}`);
    return (await response.json()) as Answer;
  }
  const counts = (action?: string, match: Match = {}) =>
    call<{ count: number; peak: number }>("GET", `count?${queryOf({ action, ...match })}`);
  return {
    calls: (action) => call("GET", `calls?${queryOf({ action })}`),
    count: async (action, match) => (await counts(action, match)).count,
    peak: async () => (await counts()).peak,
    addFault: (fault) => call("POST", "faults", fault),
    clearFaults: () => call("DELETE", "faults"),
    setClock: (offset) => call("POST", "clock", { offset }),
    defineRoles: (roles) => call("POST", "roles", roles),
    setMfa: (device) => call("POST", "mfa", device),
    reset: () => call("POST", "reset"),
  };
}

function queryOf(fields: Record<string, string | undefined>): string {
  const given = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined);
  return new URLSearchParams(given).toString();
}

async function readLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  throw new Error("the test STS ended before it was ready");
}
