// Other ways to credentials that lie open in this sandbox, and how its tool hides them.
import { formerLeaseParents, leaseParents } from "../../grants/leases.ts";
import { isDirectoryName } from "../../grants/names.ts";
import { directoryOf } from "../../paths.ts";
import { isSamePlace, lookAt, lookBehind, may, namesIn, readText } from "./files.ts";
import { ok, problem, type Verdict, verdicts, warning } from "./finding.ts";
import type { InsideMachine } from "./machines.ts";
import { quotePosix } from "../../text/quoting.ts";

/** Below ~/.aws: what holds credentials or is as good as them. */
const CACHES = ["sso/cache", "cli/cache", "login/cache"];

export async function checkAwsFiles(machine: InsideMachine): Promise<readonly Verdict[]> {
  const { home, readForeign } = machine;
  if (home === undefined) return [];
  const aws = `${home}/.aws`;
  const caches = CACHES.map((cache) => `${aws}/${cache}`).filter((cache) =>
    namesIn(cache).some((name) => name.endsWith(".json") && may(`${cache}/${name}`, "read")),
  );
  const paths = [`${aws}/credentials`, `${aws}/config`];
  const texts = await readForeign(paths);
  const files = paths.filter((_, index) => /_access_key/.test(String(texts[index])));
  const wrong = [...files, ...caches].map((path) =>
    problem(`${path} can be read here, with credentials in it`, toolOf(machine).hide(path)),
  );
  return verdicts(wrong, "no credentials in ~/.aws");
}

/** Definitions of grants hold no secret, but do not belong here; a config may hold keys. */
export function checkKeyholeHome(machine: InsideMachine): readonly Verdict[] {
  const { keyholeHome, grant } = machine;
  const isGrant = grant !== undefined && isSamePlace(keyholeHome, grant.path);
  const seen = ["configs", "grants", "logs"].map((name) => `${keyholeHome}/${name}`);
  const listed = isGrant ? [] : seen.filter((path) => namesIn(path).length > 0);
  const wrong = listed.map((path) => warning(`${path} can be read here`, toolOf(machine).hide(path)));
  return verdicts(wrong, "nothing of the host's keyhole can be read");
}

export async function checkControlSocket(machine: InsideMachine): Promise<readonly Verdict[]> {
  const { controlSocket, probes } = machine;
  if ((await probes.askSocket(controlSocket)) !== "control") return [ok("no control socket can be reached")];
  const message = `${controlSocket} can be reached: this sandbox can have every identity, and stop the daemon`;
  return [problem(message, toolOf(machine).hide(directoryOf(controlSocket)))];
}

/** Where the sandbox shares the host's file system: a process that finds the name of a directory can use what is in it. */
export function checkOtherGrants(machine: InsideMachine): readonly Verdict[] {
  const { grant, probes } = machine;
  const parents = parentsOf(machine);
  const listed = parents
    .flatMap((parent) => [...namesIn(parent), ...probes.namesForRoot(parent)])
    .filter(isDirectoryName);
  const paths = [...new Set([...listed, ...readNames(machine)])]
    .flatMap((name) => parents.map((parent) => `${parent}/${name}`))
    .filter((path) => lookBehind(`${path}/aws-config`) !== undefined)
    .filter((path) => grant === undefined || !isSamePlace(path, grant.path));
  if (paths.length === 0) return [ok("no other grant can be found")];
  const count = paths.length === 1 ? "1 other grant" : `${paths.length} other grants`;
  const places = [...new Set(paths.map(directoryOf))];
  const message = `${count} can be found and used here, in ${places.join(" and ")}`;
  return [problem(message, places.map((place) => toolOf(machine).hide(place)).join("; "))];
}

/** What grants' directories may be in, as far as this sandbox can know. */
function parentsOf({ grant, keyholeHome, environment, uid, places }: InsideMachine): string[] {
  const leases = { environment, uid, run: places.run, devices: places.devices };
  const beside = grant === undefined ? [] : [directoryOf(grant.path)];
  return [...new Set([...beside, `${keyholeHome}/g`, ...leaseParents(leases), ...formerLeaseParents(leases)])];
}

/** As the daemon and former versions of it write them; in a command line, an environment, or among mounts. */
const NAME = /(?:\/g\/|^id: ['"]?)([A-Za-z0-9_-]{22})(?![\w-])/gm;
const OF_PROCESSES = ["cmdline", "environ", "mountinfo"];

/** Every directory name of a grant that this sandbox can read. */
function readNames({ keyholeHome, places }: InsideMachine): string[] {
  const files = ["grants", "logs"].flatMap((name) =>
    namesIn(`${keyholeHome}/${name}`).map((file) => `${keyholeHome}/${name}/${file}`),
  );
  const processes = namesIn(places.proc)
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((pid) => OF_PROCESSES.map((file) => `${places.proc}/${pid}/${file}`));
  const texts = [...files, ...processes].map((path) => readText(path) ?? "");
  return texts.flatMap((text) => [...text.replaceAll("\0", "\n").matchAll(NAME)].map(([, name]) => name!));
}

/** A process that may ask a container engine is root on its machine. */
export function checkEngines(machine: InsideMachine): readonly Verdict[] {
  const { places, environment, probes } = machine;
  const runtime = environment["XDG_RUNTIME_DIR"];
  const rootless = runtime ? [`${runtime}/docker.sock`, `${runtime}/podman/podman.sock`] : [];
  const named = ["DOCKER_HOST", "CONTAINER_HOST"].flatMap((name) => {
    const [, path] = /^unix:\/\/(\/.+)$/.exec(environment[name] ?? "") ?? [];
    return path === undefined ? [] : [path];
  });
  const sockets = new Set([...places.engineSockets, ...rootless, ...named]);
  const open = [...sockets].filter((path) => lookBehind(path) !== undefined && probes.canConnect(path));
  const wrong = open.map((path) =>
    problem(`${path} can be reached: this sandbox can become root on the host`, toolOf(machine).hide(path)),
  );
  return verdicts(wrong, "no container engine can be reached");
}

export function checkSshAgent({ environment, probes }: InsideMachine): readonly Verdict[] {
  const path = environment["SSH_AUTH_SOCK"];
  if (!path || !probes.canConnect(path)) return [];
  return [warning("an SSH agent can be asked (SSH_AUTH_SOCK)", "unset SSH_AUTH_SOCK")];
}

/** What to do about a path, in a tool's words. */
export interface Tool {
  readonly hide: (path: string) => string;
  readonly protect: (path: string) => string;
}

const settings = (section: string): Tool => ({
  hide: (path) => `add ${JSON.stringify(path)} to ${section}.denyRead`,
  protect: (path) => `take what ${JSON.stringify(path)} lies in out of ${section}.allowWrite`,
});

const codex: Tool = {
  hide: (path) => `in [permissions.keyhole.filesystem] of ~/.codex/config.toml: ${JSON.stringify(path)} = "deny"`,
  protect: (path) => `in [permissions.keyhole.filesystem] of ~/.codex/config.toml: ${JSON.stringify(path)} = "read"`,
};

const firejail: Tool = {
  hide: (path) => `firejail --blacklist=${quotePosix(path)}`,
  protect: (path) => `firejail --read-only=${quotePosix(path)}`,
};

const nono: Tool = {
  hide: (path) => `add ${JSON.stringify(path)} to filesystem.deny of the profile`,
  protect: (path) => `move ${JSON.stringify(path)} to filesystem.read of the profile`,
};

const container: Tool = {
  hide: (path) => `start this container without a mount of ${quotePosix(path)}`,
  protect: () => "mount it read-only: --mount type=bind,readonly,…",
};

const unknown: Tool = {
  hide: (path) => `start this sandbox without ${quotePosix(path)}`,
  protect: (path) => `start this sandbox with ${quotePosix(path)} read-only`,
};

export function toolOf({ environment, places }: Pick<InsideMachine, "environment" | "places">): Tool {
  const has = (prefix: string) => Object.keys(environment).some((name) => name.startsWith(prefix));
  if (has("CODEX_")) return codex;
  if (has("FENCE_SANDBOX")) return settings("filesystem");
  if (has("SANDBOX_RUNTIME")) return settings(has("CLAUDECODE") ? "sandbox.filesystem" : "filesystem");
  if (has("NONO_")) return nono;
  if (environment["container"] === "firejail" || has("FIREJAIL_")) return firejail;
  const isContainer = has("KUBERNETES_") || places.containerMarks.some((path) => lookAt(path) !== undefined);
  return isContainer ? container : unknown;
}
