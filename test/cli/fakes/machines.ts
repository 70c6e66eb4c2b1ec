// Machines that doctor looks at: a home of its own for each, and nothing of the developer's.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { GrantDirectory, HostMachine, InsideMachine } from "../../../src/cli/doctor/machines.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { readForeign } from "../../../src/files/foreign.ts";
import { resolveSettings } from "../../../src/settings.ts";
import { parseSharedConfig, sharedPaths } from "../../../src/sources/resolve/profile.ts";
import { version } from "../../../src/version.ts";
import type { DaemonStatus, GrantInfo } from "../../../src/wire/messages.ts";
import { daemonStatus } from "./daemon.ts";
import { NOW } from "./world.ts";

/** A directory with files, each with its text or its mode as well; all else is private. */
export class Home implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "keyhole-doctor-"));

  /** Makes a file, and returns its path. */
  write(name: string, text = "", mode = 0o600): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // A file that is there may be read-only.
    rmSync(path, { force: true });
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  }

  /** Makes a directory, and returns its path. */
  make(name: string, mode = 0o700): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    chmodSync(path, mode);
    return path;
  }

  /** A config that assumes `role/NAME`; the lines stand behind it. */
  config(name: string, ...lines: readonly string[]): void {
    const role = `AssumeRole:\n  RoleArn: arn:aws:iam::111122223333:role/${name}`;
    this.write(`.keyhole/configs/${name}.yaml`, `${[role, ...lines].join("\n")}\n`);
  }

  [Symbol.dispose]() {
    // What cannot be listed cannot be removed, unless by root.
    const mounts = join(this.path, ".keyhole", "g");
    if (existsSync(mounts)) chmodSync(mounts, 0o700);
    rmSync(this.path, { recursive: true, force: true });
  }
}

const absent = new KeyholeError("unreachable", "no daemon listens");

/** A host without a daemon, unless the fields have one. */
export async function hostMachine(
  home: Home,
  fields: Partial<HostMachine> = {},
  variables: Readonly<Record<string, string>> = {},
): Promise<HostMachine> {
  const own = { HOME: home.path, KEYHOLE_SHARED_SOCKET: join(home.path, "shared", "keyhole.sock") };
  const environment = { ...own, ...variables };
  const [config = "", credentials = ""] = await Promise.all(
    sharedPaths(environment).map((path) =>
      Bun.file(path!)
        .text()
        .catch(() => ""),
    ),
  );
  return {
    settings: resolveSettings({}, environment, () => "/"),
    environment,
    command: ["/opt/keyhole"],
    uid: process.getuid?.() ?? 0,
    platform: "linux",
    now: NOW,
    daemon: { failure: absent },
    shared: parseSharedConfig(config, credentials),
    refusals: [],
    proc: join(home.path, "proc"),
    run: "/run",
    devices: "/dev",
    versionOf: () => Promise.resolve(undefined),
    ...fields,
  };
}

/** A daemon that answers, of this build. */
export function daemonView(fields: Partial<DaemonStatus> = {}, grants: readonly GrantInfo[] = []) {
  const status = daemonStatus({ version, startedAt: NOW, residentBytes: 0, ...fields });
  return { status, grants, uid: process.getuid?.() ?? 0, proxies: [] };
}

/** A sandbox in which nobody answers anywhere, unless the fields say so. */
export function insideMachine(home: Home, fields: Partial<InsideMachine> = {}): InsideMachine {
  return {
    environment: {},
    grant: undefined,
    home: home.path,
    keyholeHome: join(home.path, ".keyhole"),
    controlSocket: join(home.path, ".keyhole", "sock", "daemon.sock"),
    now: NOW,
    readForeign: (paths) => Promise.all(paths.map((path) => readForeign(path).catch(keyholeError))),
    uid: process.getuid?.() ?? 0,
    places: {
      botoConfig: join(home.path, "boto.cfg"),
      engineSockets: [],
      kernel: join(home.path, "version"),
      containerMarks: [join(home.path, ".dockerenv")],
      proc: join(home.path, "proc"),
      run: join(home.path, "run"),
      devices: join(home.path, "dev"),
    },
    ...fields,
    probes: {
      askSocket: () => Promise.resolve("none"),
      canConnect: () => false,
      canReach: () => Promise.resolve(false),
      getStatus: () => Promise.resolve(undefined),
      canRun: () => Promise.resolve(true),
      canMakeFile: () => false,
      namesForRoot: () => [],
      ...fields.probes,
    },
  };
}

/** A grant's directory, as the daemon makes it, seen where it is. */
export function mountGrant(home: Home, deliver: GrantDirectory["deliver"] = "socket"): GrantDirectory {
  const path = home.make("run/keyhole", 0o755);
  const program = home.write("run/keyhole/keyhole", "", 0o555);
  home.write("run/keyhole/credentials", "", 0o444);
  const process = deliver === "file" ? ["cat", `${path}/lease.json`] : [program];
  home.write("run/keyhole/aws-config", `[default]\ncredential_process = ${process.join(" ")}\n`, 0o444);
  return { path, process, deliver };
}

function keyholeError(error: unknown): KeyholeError {
  if (error instanceof KeyholeError) return error;
  throw error;
}
