// Podman, as root or as a user who exists in the rig's namespaces alone. What it starts ends with them.
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { must, scratch } from "../../interop/run.ts";
import { as } from "../../e2e/daemons.ts";
import type { Kind, RootName } from "../sandbox.ts";
import { removeGroups } from "./cgroups.ts";
import { engineKind } from "./engine.ts";
import { type Namespaces, openNamespaces } from "./namespaces.ts";
import { isReady, rigs } from "./rigs.ts";
import { type Roots, rigsOf } from "./roots.ts";
import { addUser } from "./users.ts";

/** runc, because crun refuses a machine that has both kinds of cgroups; limits as in docker.ts. */
const CONFIGURATION = `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
`;

export interface Podman extends Kind {
  /** Runs `podman`, with the options that stand before the command. Once open. */
  readonly engine: readonly string[];
  /** Runs what follows in the network that `--network host` means here. Once open. */
  readonly network: () => readonly string[];
}

/**
 * @param uid 0, or whose rootless Podman it is
 * @param images the roots that it gets images of
 */
export function podman(
  roots: Roots,
  uid: number,
  images: readonly RootName[] = ["empty", "copied", "busybox", ...(uid === 0 ? (["debian"] as const) : [])],
): Podman {
  const directory = scratch("podman");
  const { path } = directory;
  const group = `keyhole-gate-podman-${process.pid}-${uid}`;
  let namespaces: Namespaces | undefined;
  const variables = { HOME: path, XDG_RUNTIME_DIR: `${path}/run`, CONTAINERS_CONF: `${path}/containers.conf` };
  const places = ["--root", `${path}/data`, "--runroot", `${path}/run/storage`, "--storage-driver=overlay"];
  const engine: string[] = [];

  return {
    ...engineKind(
      uid === 0 ? [rigs.podman] : [rigs.podman, rigs.rootless],
      engine,
      uid === 0 ? [`--cgroup-parent=/${group}`] : [],
    ),
    engine,
    network: () => namespaces!.enter,
    async open() {
      writeFileSync(`${path}/containers.conf`, CONFIGURATION);
      mkdirSync(`${path}/run`, { mode: 0o700 });
      namespaces = await openNamespaces(uid === 0 ? ":" : addUser(path, uid));
      for (const owned of [path, `${path}/run`]) chownSync(owned, uid, uid);
      const env = ["env", ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)];
      engine.push(...namespaces.enter, ...as(uid), ...env, "podman", ...places);
      for (const root of images) {
        if (!isReady(...rigsOf(root))) continue;
        const script = 'from=$1 name=$2; shift 2; tar -C "$from" -c . | "$@" import - "$name"';
        const words = [roots.pathOf(root), `keyhole-gate/${root}`, ...engine];
        await must(["sh", "-c", script, "sh", ...words], { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" });
      }
    },
    async close() {
      await namespaces?.stop();
      directory.remove();
      await removeGroups(group);
    },
  };
}
