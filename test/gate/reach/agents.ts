// Sandboxes of coding agents as their users start them: the recipe is pasted, and a shell is run.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { quotePosix } from "../../../src/text/quoting.ts";
import { as } from "../../e2e/daemons.ts";
import type { Rig } from "../../interop/rigs.ts";
import type { Result } from "../../processes.ts";
import type { AgentHost } from "../agenthost.ts";
import { guard } from "../rigs/namespaces.ts";
import { places, rigs } from "../rigs/rigs.ts";
import type { Sight, Tool } from "../rows.ts";
import { openShell, type Shell } from "../shell.ts";
import { ADD_SDK } from "./machines.ts";

export interface Agent {
  readonly tool: Tool;
  /** What `--for` calls it. */
  readonly recipe?: string;
  readonly needs: readonly Rig[];
  readonly deliver: Sight["deliver"];
  /** Options of `grant add`. */
  readonly terms: readonly string[];
  /** What `start` starts: a shell in the sandbox, which reads what is to be done. */
  readonly words?: (host: AgentHost, grant: string) => Promise<readonly string[]>;
  /** A sandbox whose working directory is the host's `work`, and can be written to. */
  start(host: AgentHost, grant: string): Promise<Shell>;
}

/** Where the agents' programs are seen by every user. */
const PROGRAMS = "/opt";
/** fence lets programs run below /usr. */
const GO_PROGRAMS = "/usr/local/sbin";

/** Runs what follows as the host's user, who has the agents' programs and nothing of this process's environment. */
export function asUser({ uid, machine }: AgentHost, setup: readonly string[] = []): string[] {
  const { XDG_RUNTIME_DIR: runtime } = machine.environment;
  const variables = {
    HOME: machine.home,
    PATH: `${PROGRAMS}/node_modules/.bin:${GO_PROGRAMS}:/usr/local/bin:/usr/bin:/bin`,
    TERM: "xterm",
    ...(runtime !== undefined && { XDG_RUNTIME_DIR: runtime }),
  };
  const steps = [
    ADD_SDK,
    ...setup,
    // Codex leaves directories there.
    "mount -t tmpfs -o mode=1777 tmpfs /tmp",
    `mount --bind ${quotePosix(places.agents)} ${PROGRAMS}`,
    ...(existsSync(places.go) ? [`mount --bind ${quotePosix(places.go)} ${GO_PROGRAMS}`] : []),
    `cd ${quotePosix(`${machine.home}/work`)}`,
    'exec "$@"',
  ];
  const environment = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return [...guard, "unshare", "--mount", "sh", "-c", steps.join("; "), "sh", ...as(uid), "env", "-i", ...environment];
}

const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

function startedBy(words: NonNullable<Agent["words"]>): Pick<Agent, "words" | "start"> {
  return { words, start: async (host, grant) => openShell(await words(host, grant), environment, { scratch: "." }) };
}

/** A recipe that ends in a shell, which reads what is to be done. */
function pasted(
  recipe: string,
  tool: Tool,
  deliver: Agent["deliver"],
  needs: readonly Rig[],
  terms: readonly string[],
): Agent {
  return {
    tool,
    recipe,
    needs,
    deliver,
    terms: [...(deliver === "signature" ? ["--sign"] : ["--deliver", deliver]), ...terms],
    ...startedBy(async (host, grant) => [...asUser(host), "sh", "-c", await host.recipe(grant, recipe)]),
  };
}

/** firejail asks the system who its user is, and what that user's home is: what makes them known, for one mount namespace. */
export function nameUser({ machine: { home }, uid }: AgentHost): string[] {
  const files = { passwd: `agent:x:${uid}:${uid}::${home}:/bin/sh`, group: `agent:x:${uid}:` };
  return Object.entries(files).map(([name, line]) => {
    writeFileSync(join(home, name), `${readFileSync(`/etc/${name}`, "utf8")}${line}\n`);
    return `mount --bind ${quotePosix(join(home, name))} /etc/${name}`;
  });
}

export function firejailAgent(deliver: Agent["deliver"]): Agent {
  return {
    tool: "firejail",
    recipe: "firejail",
    needs: [...sdkRigs, rigs.firejail],
    deliver,
    terms: ["--deliver", deliver, "--mount-at", "host"],
    ...startedBy(async (host, grant) => {
      const recipe = `firejail() { command firejail --quiet "$@"; }\n${await host.recipe(grant, "firejail")}`;
      return [...asUser(host, nameUser(host)), "sh", "-c", recipe];
    }),
  };
}

/** @param recipe that ends in a shell */
export async function pastedAgent(host: AgentHost, recipe: string): Promise<Shell> {
  return openShell([...asUser(host), "sh", "-c", recipe], environment, { scratch: "." });
}

const sdkRigs = [rigs.debian, rigs.sdk, rigs.node];

export const bubblewrapAgent = (deliver: Agent["deliver"]) =>
  pasted("bwrap", "bubblewrap", deliver, [...sdkRigs, rigs.bubblewrap], []);
const runtimeRigs = [...sdkRigs, rigs.agents, rigs.bubblewrap, rigs.socat, rigs.ripgrep];
export const srtAgent = (deliver: "file" | "signature") =>
  pasted("srt", "sandbox-runtime (`srt`)", deliver, runtimeRigs, [
    ...(deliver === "signature" ? ["--listen"] : []),
    "--mount-at",
    "host",
  ]);
export const fenceAgent = () =>
  pasted("fence", "fence", "file", [...sdkRigs, rigs.fence, rigs.bubblewrap, rigs.socat], ["--mount-at", "host"]);

/** Puts the recipe where Codex looks for it. */
async function configureCodex(host: AgentHost, grant: string): Promise<void> {
  const directory = join(host.machine.home, ".codex");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "config.toml"), await host.recipe(grant, "codex"));
  await host.own(directory);
}

const codexTerms = (deliver: Agent["deliver"]) => ["--deliver", deliver, "--mount-at", "host"];
const codexRigs = [...sdkRigs, rigs.agents, rigs.bubblewrap];

const CODEX = "Codex (`codex sandbox`, app server)";

export function codexAgent(deliver: Agent["deliver"]): Agent {
  return {
    tool: CODEX,
    recipe: "codex",
    needs: codexRigs,
    deliver,
    terms: codexTerms(deliver),
    ...startedBy(async (host, grant) => {
      await configureCodex(host, grant);
      return [...asUser(host), "codex", "sandbox", "sh"];
    }),
  };
}

/** What Codex does for a call of a tool: `command/exec` of its app server, which needs no login. */
export function codexServer(deliver: Agent["deliver"]): Agent {
  return {
    tool: CODEX,
    recipe: "codex",
    needs: codexRigs,
    deliver,
    terms: codexTerms(deliver),
    async start(host, grant) {
      await configureCodex(host, grant);
      return openAppServer([...asUser(host), "codex", "app-server"], join(host.machine.home, "work"));
    },
  };
}

interface Message {
  readonly id?: number;
  readonly result?: Result;
  readonly error?: unknown;
}

/** JSON-RPC, a line for each message. */
async function openAppServer(command: readonly string[], cwd: string): Promise<Shell> {
  const child = Bun.spawn([...command], {
    cwd: "/",
    env: environment,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  const waiting = new Map<number, PromiseWithResolvers<Result>>();
  let count = 0;
  void readMessages(child.stdout, ({ id, result, error }) => {
    const waiter = id === undefined ? undefined : waiting.get(id);
    if (error === undefined) waiter?.resolve(result!);
    else waiter?.reject(new Error(JSON.stringify(error)));
  });
  const send = async (message: object) => {
    void child.stdin.write(`${JSON.stringify(message)}\n`);
    await child.stdin.flush();
  };
  async function ask(method: string, params: object): Promise<Result> {
    const id = (count += 1);
    const waiter = Promise.withResolvers<Result>();
    waiting.set(id, waiter);
    await send({ id, method, params });
    return waiter.promise;
  }
  await ask("initialize", { clientInfo: { name: "keyhole-gate", title: "keyhole's gate", version: "0" } });
  await send({ method: "initialized" });
  return {
    async run(program, variables = {}) {
      const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
      const words = ["env", ...settings, ...program];
      const { exitCode, stdout, stderr } = await ask("command/exec", { command: words, cwd, timeoutMs: 60_000 });
      return { exitCode, stdout, stderr };
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function readMessages(stream: ReadableStream<Uint8Array>, handle: (message: Message) => void): Promise<void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    const lines = (text + decoder.decode(bytes, { stream: true })).split("\n");
    text = lines.pop()!;
    for (const line of lines) handle(JSON.parse(line) as Message);
  }
}

/** No sandbox at all: what shows whether an attack sees what lies open. */
export function bareAgent(): Omit<Agent, "tool"> {
  return {
    needs: [],
    deliver: "socket",
    terms: ["--mount-at", "host"],
    async start(host, grant) {
      const path = (await host.keyhole("grant", "path", grant)).trimEnd();
      const setting = `AWS_CONFIG_FILE=${path}/aws-config`;
      return openShell([...asUser(host), "env", setting, "sh"], environment, { scratch: "." });
    },
  };
}

/**
 * Claude Code's own opinion of its settings: what it draws on a terminal without a network, until it has drawn all.
 *
 * @param settings of `.claude/settings.local.json`
 */
export async function askClaudeDoctor(host: AgentHost, settings: string): Promise<string> {
  const directory = join(host.machine.home, "work", ".claude");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "settings.local.json"), settings);
  await host.own(directory);
  const command = ["unshare", "--net", ...asUser(host), "script", "-qec", "claude doctor", "/dev/null"];
  const child = Bun.spawn(command, { cwd: "/", env: environment, stdin: "pipe", stdout: "pipe", stderr: "ignore" });
  const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const bytes of child.stdout) {
      text += decoder.decode(bytes, { stream: true });
      // Words are apart by movements of the cursor.
      const drawn = Bun.stripANSI(text).replaceAll(/\s/g, "");
      if (drawn.includes("Entertoclose")) return drawn;
    }
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    await child.exited;
  }
  throw new Error(`claude doctor drew nothing that ends: ${text}`);
}
