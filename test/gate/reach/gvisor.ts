// gVisor, which has no recipe: an engine's runtime, with what an engine would tell it.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { scratch } from "../../interop/run.ts";
import { specification } from "../rigs/gvisor.ts";
import { places, rigs } from "../rigs/rigs.ts";
import { machineReach } from "./machines.ts";
import { nextName, type Reach } from "./reach.ts";

/** As Docker's `--volume` has it. */
function volumeOf(option: string): (readonly [source: string, destination: string])[] {
  const [, source, destination] = /^--volume=([^:]+):([^:]+)/.exec(option) ?? [];
  return source === undefined ? [] : [[source, destination!]];
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
  const runsc = [`${places.go}/runsc`, "--root", `${directory.path}/state`, ...settings];
  const machine = machineReach([rigs.gvisor], async (host, grant, options) => {
    const path = (await host.keyhole("grant", "path", grant)).trimEnd();
    const variables = readFileSync(`${path}/env`, "utf8").trim().split("\n");
    const name = nextName();
    const bundle = `${directory.path}/${name}`;
    mkdirSync(bundle);
    const container = specification({
      uid,
      args: ["sh"],
      env: ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", ...variables],
      capabilities: [],
      root: places.debian,
      scratch: "/tmp",
      binds: [[path, "/run/keyhole"], ...options.flatMap(volumeOf)],
      cwd: options.includes("--workdir=/work") ? "/work" : "/",
      // --network=host means the one that it is started in.
      namespaces: ["pid", "ipc", "uts", "mount"],
    });
    writeFileSync(`${bundle}/config.json`, JSON.stringify(container));
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
