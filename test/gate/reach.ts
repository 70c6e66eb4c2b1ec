// The kinds of sandboxes that a grant is given to, each as its recipe says or, where `grant show` prints none, as that
// tool's own documents do. All of them reach the test's STS on their loopback, and nothing else.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { quotePosix } from "../../src/quoting.ts";
import { as } from "../e2e/daemons.ts";
import { must, run, scratch } from "../interop/run.ts";
import type { Result } from "../processes.ts";
import type { Rig } from "../interop/rigs.ts";
import { underFilter } from "../seccomp.ts";
import type { AgentHost } from "./agenthost.ts";
import { type Docker, docker, type DockerOptions } from "./rigs/docker.ts";
import { guard, type Namespaces, openNamespaces } from "./rigs/namespaces.ts";
import { type Podman, podman } from "./rigs/podman.ts";
import { places, rigs } from "./rigs/rigs.ts";
import type { Roots } from "./rigs/roots.ts";
import type { RootName } from "./sandbox.ts";
import { openShell, type Shell } from "./shell.ts";

export interface Reach {
  readonly needs: readonly Rig[];
  /** Whose daemon's grants it is for. */
  readonly uid: number;
  /** Options of `grant add`, where the defaults do not suit. */
  readonly terms: readonly string[];
  open(): Promise<void>;
  /** Runs what follows in the sandboxes' network. Once open. */
  readonly network: () => readonly string[];
  /**
   * A sandbox that has a Debian with SDKs and one grant.
   *
   * @param options the tool's own, more of them
   * @param image another one of an engine's
   */
  start(host: AgentHost, grant: string, options?: readonly string[], image?: string): Promise<Shell>;
  close(): Promise<void>;
}

const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

/** What every sandbox is told beside the recipe, since no SDK can know it: where the test's STS is. */
async function withSts(host: AgentHost, shell: Shell): Promise<Shell> {
  const sts = { AWS_ENDPOINT_URL_STS: host.machine.sts.url };
  return { ...shell, run: (program, variables) => shell.run(program, { ...sts, ...variables }) };
}

let count = 0;
const nextName = () => `keyhole-reach-${process.pid}-${(count += 1)}`;

/**
 * A recipe as someone pastes it who has read IMAGE: a function stands between it and the rig's engine, so that not a
 * word of it changes but that one.
 *
 * @param program what runs the engine, as far as its `run`
 * @param replacement of IMAGE, with the program and its arguments
 */
function pasted(
  tool: string,
  recipe: string,
  program: readonly string[],
  options: readonly string[],
  replacement: readonly string[],
): string[] {
  const engine = [...program, "run", ...options].map(quotePosix).join(" ");
  const lines = recipe.split("\n");
  if (lines.pop() !== "  IMAGE") throw new Error(`no IMAGE at the end: ${recipe}`);
  const script = [`${tool}() { shift; exec ${engine} "$@"; }`, ...lines, replacement.map(quotePosix).join(" ")];
  return [...guard, "sh", "-c", script.join("\n")];
}

/** A whole system in a container: read-only, so that nothing of the grant is kept anywhere else. */
const CONTAINER = ["--interactive", "--network=host", "--read-only", "--tmpfs=/tmp:mode=1777"];

/** An engine, which can also run the grant's own executable in an image that holds nothing. */
export interface EngineReach extends Reach {
  /** Runs the engine, with the options that stand before the command. Once open. */
  readonly engine: readonly string[];
  /** @param options the engine's own, of its `run` */
  alone(host: AgentHost, grant: string, ...options: string[]): Promise<Result>;
  /** A sandbox of an image that was given no grant. */
  bare(host: AgentHost, options: readonly string[], image: string): Promise<Shell>;
  /** An image on top of that of a root, by the lines of a Dockerfile; `context` is what COPY takes from. */
  build(name: string, root: RootName, lines: readonly string[], context: string): Promise<void>;
}

export function dockerReach(roots: Roots, options: DockerOptions): EngineReach {
  const engine = docker(roots, options);
  return { ...engineReach("docker", engine, engine.client, options.images ?? []), uid: 0 };
}

/** @param uid whose it is */
export function podmanReach(roots: Roots, uid: number, images: readonly RootName[]): EngineReach {
  const engine = podman(roots, uid, images);
  return { ...engineReach("podman", engine, engine.engine, images), uid };
}

function engineReach(
  tool: "docker" | "podman",
  rig: Docker | Podman,
  engine: readonly string[],
  images: readonly RootName[],
): Omit<EngineReach, "uid"> {
  function open(
    host: AgentHost,
    options: readonly string[],
    image: string,
    commandOf: (words: readonly string[], inside: readonly string[]) => string[],
  ): Promise<Shell> {
    const name = nextName();
    const command = commandOf([...CONTAINER, `--name=${name}`, ...options], [`keyhole-gate/${image}`, "sh"]);
    // The end of its stdin is the end of the shell; what hangs is killed.
    const kill = async () => void (await run([...engine, "kill", name], environment));
    return withSts(host, openShell(command, environment, kill));
  }

  return {
    engine,
    needs: [...rig.needs, rigs.socat, ...(images.includes("debian") ? [rigs.debian, rigs.sdk] : [])],
    terms: [],
    open: async () => rig.open?.(),
    close: async () => rig.close?.(),
    network: rig.network,
    async start(host, grant, options = [], image = "debian") {
      const recipe = await host.recipe(grant, tool);
      return open(host, options, image, (words, inside) => pasted(tool, recipe, engine, words, inside));
    },
    bare: (host, options, image) =>
      open(host, options, image, (words, inside) => [...guard, ...engine, "run", "--rm", ...words, ...inside]),
    async alone(host, grant, ...options) {
      const recipe = await host.recipe(grant, tool);
      const image = ["keyhole-gate/empty", "/run/keyhole/keyhole"];
      return run(pasted(tool, recipe, engine, ["--network=none", "--read-only", ...options], image), environment);
    },
    async build(name, root, lines, context) {
      const file = `${context}/Dockerfile.${name}`;
      writeFileSync(file, [`FROM keyhole-gate/${root}`, ...lines, ""].join("\n"));
      const build = [...engine, "build", "--quiet", "--tag", `keyhole-gate/${name}`, "--file", file, context];
      // The classic builder needs no plugin.
      await must(build, { ...environment, DOCKER_BUILDKIT: "0", HOME: context });
    },
  };
}

/** Puts the SDKs of the Debian root on top of this machine's programs, for one mount namespace. */
const ADD_SDK = `mount --make-rprivate /; mount --bind ${quotePosix(`${places.debian}/usr/local`)} /usr/local`;

/** This machine, with SDKs and a network of its own. */
function machineReach(
  needs: readonly Rig[],
  commandOf: (host: AgentHost, grant: string, options: readonly string[]) => Promise<readonly string[]>,
): Omit<Reach, "uid" | "terms"> {
  let namespaces: Namespaces | undefined;
  return {
    needs: [...needs, rigs.debian, rigs.sdk, rigs.socat],
    async open() {
      namespaces = await openNamespaces();
    },
    network: () => namespaces!.enter,
    async start(host, grant, options = []) {
      // Not its processes: where the kernel's own are not seen, firejail takes itself for sandboxed, and does nothing.
      const network = namespaces!.enter.filter((word) => word !== "--mount" && word !== "--pid");
      const setup = ["unshare", "--mount", "sh", "-c", `${ADD_SDK}; exec "$@"`, "sh"];
      const command = [...guard, ...network, ...setup, ...(await commandOf(host, grant, options))];
      return withSts(host, openShell(command, environment));
    },
    close: async () => namespaces?.stop(),
  };
}

/**
 * @param uid who runs it
 * @param filter a file with a filter of system calls
 */
export function bubblewrapReach(uid: number, filter?: string): Reach {
  return {
    ...machineReach([rigs.bubblewrap], async (host, grant, options) => {
      const recipe = await host.recipe(grant, "bwrap");
      const directory = quotePosix(`${host.machine.home}/work`);
      const words = underFilter([...as(uid), "bwrap", ...options], filter);
      return ["sh", "-c", `cd ${directory}; bwrap() { exec ${words}; }\n${recipe}`];
    }),
    uid,
    terms: [],
  };
}

/** bubblewrap with what a test names, instead of a recipe. */
export function plainReach(filter?: string): Reach {
  return {
    ...machineReach([rigs.bubblewrap], async (_host, _grant, options) => {
      const base = ["--unshare-all", "--share-net", "--die-with-parent", "--clearenv"];
      const settings = ["--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "HOME", "/tmp"];
      return ["sh", "-c", `exec ${underFilter(["bwrap", ...base, ...settings], filter)}`, "sh", ...options, "--", "sh"];
    }),
    uid: 0,
    terms: [],
  };
}

/** firejail(1): it sees the host's own paths, of which --whitelist leaves those that it names. */
export function firejailReach(): Reach {
  return {
    ...machineReach([rigs.firejail], async (host, grant, options) => {
      const { directory } = JSON.parse(await host.keyhole("grant", "path", grant, "--json")) as { directory: string };
      const settings = readFileSync(`${directory}/env`, "utf8").trim().split("\n");
      const filter = ["--noprofile", "--quiet", "--protocol=unix,inet", "--caps.drop=all", "--private-dev", ...options];
      const variables = settings.map((setting) => `--env=${setting}`);
      return ["firejail", ...filter, `--whitelist=${directory}`, ...variables, "sh"];
    }),
    uid: 0,
    terms: ["--mount-at", "host"],
  };
}

/**
 * gVisor as an engine's runtime gets it: what an engine makes of the options of Docker's recipe.
 *
 * @param uid of the program inside
 * @param hostSockets whether it may connect to Unix sockets of the host: gVisor's default is no
 */
export function gvisorReach(uid: number, hostSockets: boolean): Reach {
  const directory = scratch("gvisor");
  const settings = ["--ignore-cgroups", "--network=host", "--platform=ptrace"];
  if (hostSockets) settings.push("--host-uds=open");
  const runsc = ["runsc", "--root", `${directory.path}/state`, ...settings];
  const machine = machineReach([rigs.gvisor], async (host, grant) => {
    const path = (await host.keyhole("grant", "path", grant)).trimEnd();
    const variables = readFileSync(`${path}/env`, "utf8").trim().split("\n");
    const name = nextName();
    const bundle = `${directory.path}/${name}`;
    mkdirSync(bundle);
    writeFileSync(`${bundle}/config.json`, JSON.stringify(specification(path, variables, uid)));
    return [...runsc, "run", "--bundle", bundle, name];
  });
  return {
    ...machine,
    uid: 0,
    terms: [],
    async close() {
      await machine.close();
      directory.remove();
    },
  };
}

/** https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config.md */
function specification(directory: string, variables: readonly string[], uid: number) {
  return {
    ociVersion: "1.0.2",
    process: {
      user: { uid, gid: uid },
      args: ["sh"],
      env: ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", ...variables],
      cwd: "/",
      capabilities: {},
    },
    root: { path: places.debian, readonly: true },
    mounts: [
      { type: "proc", source: "proc", destination: "/proc" },
      { type: "tmpfs", source: "tmpfs", destination: "/tmp", options: ["mode=1777"] },
      { type: "bind", source: directory, destination: "/run/keyhole", options: ["rbind", "ro"] },
    ],
    // Without one for the network: --network=host means the one that it is started in.
    linux: { namespaces: ["pid", "ipc", "uts", "mount"].map((type) => ({ type })) },
  };
}
