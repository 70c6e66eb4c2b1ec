// A grant whose daemon is this test, in a directory as a sandbox sees it; and keyhole and other programs beside it.
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyholeError } from "../../src/errors.ts";
import { startFakeDaemon } from "../cli/fakes/daemon.ts";
import { type Result, resultOf } from "../processes.ts";
import { executable } from "./machine.ts";

export interface FakeGrant extends AsyncDisposable {
  /** Holds `sock`, and `keyhole` to mount the executable on. */
  readonly directory: string;
  readonly socket: string;
  /** Of nobody else. */
  readonly home: string;
  /** How often credentials were asked for. */
  readonly fetches: () => number;
  /** What it answers from now on. */
  refuse(error: KeyholeError | undefined): void;
  /** Cuts every connection; nobody listens any more. */
  stop(): void;
  readonly environment: Readonly<Record<string, string>>;
  spawn(words: readonly string[], options?: FakeOptions): Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** Runs keyhole, or another program, to its end. */
  run(words: readonly string[], options?: FakeOptions): Promise<Result>;
}

export interface FakeOptions {
  /** The words that run keyhole; another program, a sandbox. */
  readonly program?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The secret in every answer. */
export const SECRET = "se/cr+et+canary";

export function startFakeGrant(): FakeGrant {
  let refusal: KeyholeError | undefined;
  let count = 0;
  const daemon = startFakeDaemon({
    Fetch: () => {
      if (refusal !== undefined) throw refusal;
      count += 1;
      return { grant: "agent", config: "dev", region: "eu-west-1", line: lineOf(`ASIAFAKE${count}`) };
    },
  });
  const { home: directory } = daemon;
  symlinkSync("daemon.sock", join(directory, "sock"));
  writeFileSync(join(directory, "keyhole"), "");
  const home = mkdtempSync(join(tmpdir(), "keyhole-home-"));
  const environment = { HOME: home, PATH: process.env["PATH"] ?? "/usr/bin:/bin" };

  const spawn: FakeGrant["spawn"] = (words, { program = [executable], env = {} } = {}) =>
    Bun.spawn([...program, ...words], {
      env: { ...environment, ...env },
      cwd: home,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });

  return {
    directory,
    socket: daemon.socket,
    home,
    environment,
    fetches: () => daemon.requests.length,
    refuse: (error) => void (refusal = error),
    stop: () => daemon.stop(),
    spawn,
    run: (words, options) => resultOf(spawn(words, options)),
    [Symbol.asyncDispose]: async () => {
      rmSync(home, { recursive: true, force: true });
      await daemon[Symbol.asyncDispose]();
    },
  };
}

function lineOf(accessKeyId: string): Uint8Array {
  const expiration = new Date(Date.now() + 3_600_000).toISOString().replace(/\.[0-9]+/, "");
  const document = {
    Version: 1,
    AccessKeyId: accessKeyId,
    SecretAccessKey: SECRET,
    SessionToken: "token",
    Expiration: expiration,
    AccountId: "111122223333",
  };
  return new TextEncoder().encode(`${JSON.stringify(document)}\n`);
}

/** Runs what follows as the first process of a sandbox: no network but its own loopback, nothing to write to. */
export function sandbox({ directory }: Pick<FakeGrant, "directory">, ...more: readonly string[]): string[] {
  const apart = "bwrap --unshare-all --as-pid-1 --die-with-parent --ro-bind / / --proc /proc --dev /dev --tmpfs /run";
  const mounts = ["--ro-bind", directory, "/run/keyhole", "--ro-bind", executable, "/run/keyhole/keyhole"];
  return [...apart.split(" "), ...mounts, "--chdir", "/", ...more, "--"];
}

export const hasBoto3 = Bun.spawnSync(["python3", "-c", "import boto3"], { stderr: "ignore" }).exitCode === 0;
if (!hasBoto3) console.warn("SKIPPED: boto3 is not installed");
