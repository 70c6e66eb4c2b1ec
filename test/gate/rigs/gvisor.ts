// gVisor: a kernel of its own, in front of the host's. The ptrace platform needs nothing of the machine.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { run, scratch } from "../../interop/run.ts";
import { insideEnvironment, type Kind, type Options } from "../sandbox.ts";
import { places, rigs } from "./rigs.ts";
import type { Roots } from "./roots.ts";

/** @param hostSockets whether the sandbox may connect to Unix sockets of the host: gVisor's default is no */
export function gvisor(roots: Roots, hostSockets: boolean): Kind {
  const directory = scratch("gvisor");
  const access = hostSockets ? ["--host-uds=open"] : [];
  const settings = ["--ignore-cgroups", "--network=none", "--platform=ptrace", ...access];
  const runsc = [`${places.go}/runsc`, "--root", `${directory.path}/state`, ...settings];
  const names: string[] = [];
  return {
    needs: [rigs.gvisor],
    command(program, options, name) {
      names.push(name);
      const bundle = `${directory.path}/${name}`;
      mkdirSync(bundle);
      writeFileSync(`${bundle}/config.json`, JSON.stringify(specification(containerOf(roots, options, program))));
      return [...runsc, "run", "--bundle", bundle, name];
    },
    async enter(program, { uid }, { name }) {
      const variables = Object.entries(insideEnvironment).flatMap(([key, value]) => ["--env", `${key}=${value}`]);
      return [...runsc, "exec", "--user", `${uid}:${uid}`, ...variables, name, ...program];
    },
    signal: async (signal, { name }) => [...runsc, "kill", name, signal],
    async close() {
      const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
      // Only what a failed test has left.
      for (const name of names) await run([...runsc, "delete", "--force", name], environment);
      await releaseState(`${directory.path}/state`);
      directory.remove();
    },
  };
}

/** With `--network=none` runsc mounts there the network of those that have none, for the next. */
export async function releaseState(path: string): Promise<void> {
  const mounted = `${path}/null-netns`;
  if (existsSync(mounted)) await run(["umount", "--lazy", mounted], { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" });
}

/** A container, as far as these tests differ in it. */
export interface Container {
  readonly uid: number;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: readonly string[];
  /** Read-only. */
  readonly root: string;
  /** Where there is a tmpfs. */
  readonly scratch: string;
  /** Read-only: from where on the host to where inside. */
  readonly binds: readonly (readonly [source: string, destination: string])[];
  /** Those that are its own. */
  readonly namespaces: readonly string[];
}

/** https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config.md */
export function specification(container: Container) {
  const { uid, args, env, cwd, capabilities, root, scratch: path, binds, namespaces } = container;
  return {
    ociVersion: "1.0.2",
    process: {
      user: { uid, gid: uid },
      args,
      env,
      cwd,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    },
    root: { path: root, readonly: true },
    mounts: [
      { type: "proc", source: "proc", destination: "/proc" },
      { type: "tmpfs", source: "tmpfs", destination: path, options: ["mode=1777"] },
      ...binds.map(([source, destination]) => ({ type: "bind", source, destination, options: ["rbind", "ro"] })),
    ],
    linux: { namespaces: namespaces.map((type) => ({ type })) },
  };
}

function containerOf(roots: Roots, { host, root, uid, dropCapabilities }: Options, args: readonly string[]): Container {
  return {
    uid,
    args,
    env: Object.entries(insideEnvironment).map(([name, value]) => `${name}=${value}`),
    cwd: "/",
    capabilities: dropCapabilities || uid !== 0 ? [] : ["CAP_DAC_OVERRIDE"],
    root: roots.pathOf(root),
    scratch: "/state",
    binds: [[host.directory, "/run/keyhole"], ...(root === "copied" ? [] : [[host.program, "/keyhole"] as const])],
    namespaces: ["pid", "network", "ipc", "uts", "mount"],
  };
}
