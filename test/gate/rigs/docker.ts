// A Docker engine of its own: no bridge, no rule, no route; its processes, mounts and links end with its namespaces.
import { chmodSync, writeFileSync } from "node:fs";
import { must, scratch, until } from "../../interop/run.ts";
import type { Kind, RootName } from "../sandbox.ts";
import { removeGroups } from "./cgroups.ts";
import { engineKind } from "./engine.ts";
import { type Namespaces, openNamespaces } from "./namespaces.ts";
import { isReady, rigs } from "./rigs.ts";
import { type Roots, rigsOf } from "./roots.ts";
import { addUser, USER_NAME } from "./users.ts";

const NOTHING_OF_THE_HOST = [
  "--bridge=none",
  "--iptables=false",
  "--ip6tables=false",
  "--ip-forward=false",
  "--ip-masq=false",
  "--userland-proxy=false",
  // Gemini CLI names it; without a bridge there is none.
  "--host-gateway-ip=127.0.0.1",
];
/** A machine without CAP_SYS_RESOURCE cannot give containers more than it has. */
const LIMITS = ["--default-ulimit=nofile=4096:4096", "--default-ulimit=nproc=4096:4096"];

export interface Docker extends Kind {
  readonly client: readonly string[];
  /** Runs what follows in the network that `--network host` means here. Once open. */
  readonly network: () => readonly string[];
}

/** Of no user of the machine. */
const REMAPPED = 60_124;

export interface DockerOptions {
  /** The roots that it gets images of. */
  readonly images?: readonly RootName[];
  /** Whether containers have a user namespace, in which root is the host's SUBORDINATE. */
  readonly remap?: boolean;
}

export function docker(
  roots: Roots,
  { images = ["empty", "copied", "busybox", "debian"], remap = false }: DockerOptions = {},
): Docker {
  const directory = scratch("docker");
  const { path } = directory;
  const group = `keyhole-gate-docker-${process.pid}${remap ? "-remapped" : ""}`;
  const socket = `unix://${path}/d.sock`;
  const client = ["docker", "--host", socket];
  // No configuration of whoever runs the tests; the classic builder needs no plugin.
  const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DOCKER_CONFIG: path, DOCKER_BUILDKIT: "0", HOME: path };
  let namespaces: Namespaces | undefined;

  async function makeImage(root: RootName): Promise<void> {
    if (root === "copied") {
      writeFileSync(`${path}/Dockerfile`, "FROM scratch\nCOPY keyhole /keyhole\n");
      const build = [...client, "build", "--quiet", "--tag", "keyhole-gate/copied", "--file", `${path}/Dockerfile`];
      await must([...build, roots.pathOf(root)], environment);
      return;
    }
    const script = 'tar -C "$1" -c . | docker --host "$2" import - "$3"';
    await must(["sh", "-c", script, "sh", roots.pathOf(root), socket, `keyhole-gate/${root}`], environment);
  }

  return {
    ...engineKind([rigs.docker], client, []),
    client,
    network: () => namespaces!.enter,
    async open() {
      // Through it root of a user namespace gets to the container's own directories.
      chmodSync(path, 0o711);
      namespaces = await openNamespaces(remap ? addUser(path, REMAPPED) : ":");
      const places = ["--data-root", `${path}/data`, "--exec-root", `${path}/exec`, "--pidfile", `${path}/pid`];
      const groups = ["--cgroup-parent", `/${group}`, "--storage-driver=overlay2"];
      const settings = [...LIMITS, ...(remap ? [`--userns-remap=${USER_NAME}`] : [])];
      Bun.spawn(
        [...namespaces.enter, "dockerd", "--host", socket, ...places, ...groups, ...NOTHING_OF_THE_HOST, ...settings],
        { env: environment, stdin: "ignore", stdout: Bun.file(`${path}/log`), stderr: Bun.file(`${path}/log`) },
      );
      await until("Docker to answer", 30, async () => (await must([...client, "version"], environment)) !== "");
      for (const root of images) if (isReady(...rigsOf(root))) await makeImage(root);
    },
    async close() {
      await namespaces?.stop();
      directory.remove();
      await removeGroups(group);
    },
  };
}
