// Other ways to credentials that lie open in this sandbox: whoever finds one needs no grant.
import { directoryOf } from "../../paths.ts";
import { quotePosix } from "../../quoting.ts";
import { isSamePlace, lookBehind, may, namesIn } from "./files.ts";
import { ok, problem, type Verdict, verdicts, warning } from "./finding.ts";
import type { InsideMachine } from "./insidemachine.ts";

/** Below ~/.aws: what holds credentials or is as good as them. */
const CACHES = ["sso/cache", "cli/cache", "login/cache"];

export async function checkAwsFiles({ home, readForeign }: InsideMachine): Promise<readonly Verdict[]> {
  if (home === undefined) return [];
  const aws = `${home}/.aws`;
  const caches = CACHES.map((cache) => `${aws}/${cache}`).filter((cache) =>
    namesIn(cache).some((name) => name.endsWith(".json") && may(`${cache}/${name}`, "read")),
  );
  const paths = [`${aws}/credentials`, `${aws}/config`];
  const texts = await readForeign(paths);
  const files = paths.filter((_, index) => /_access_key/.test(String(texts[index])));
  const wrong = [...files, ...caches].map((path) =>
    problem(`${path} can be read here, with credentials in it`, hide(path)),
  );
  return verdicts(wrong, "no credentials in ~/.aws");
}

/** The definitions are no secret, and nothing of this sandbox's; a config may hold keys. */
export function checkKeyholeHome({ keyholeHome, grant }: InsideMachine): readonly Verdict[] {
  const isGrant = grant !== undefined && isSamePlace(keyholeHome, grant.path);
  const seen = ["configs", "grants", "logs"].map((name) => `${keyholeHome}/${name}`);
  const listed = isGrant ? [] : seen.filter((path) => namesIn(path).length > 0);
  const wrong = listed.map((path) => warning(`${path} can be read here`, hide(keyholeHome)));
  return verdicts(wrong, "nothing of the host's keyhole can be read");
}

export async function checkControlSocket({ controlSocket, probes }: InsideMachine): Promise<readonly Verdict[]> {
  if ((await probes.askSocket(controlSocket)) !== "control") return [ok("no control socket can be reached")];
  const message = `${controlSocket} can be reached: this sandbox can have every identity, and stop the daemon`;
  return [problem(message, hide(directoryOf(controlSocket)))];
}

/** Where the sandbox shares the host's file system, and is root or the owner with another mode. */
export function checkOtherGrants({ grant }: InsideMachine): readonly Verdict[] {
  if (grant === undefined) return [];
  const parent = directoryOf(grant.path);
  const others = namesIn(parent)
    .filter((name) => /^[A-Za-z0-9_-]{22}$/.test(name))
    .map((name) => `${parent}/${name}`)
    .filter((path) => !isSamePlace(path, grant.path) && lookBehind(`${path}/aws-config`) !== undefined);
  if (others.length === 0) return [ok("no other grant can be seen")];
  const count = others.length === 1 ? "1 other grant" : `${others.length} other grants`;
  return [problem(`${count} can be used here, in ${parent}`, `mount ${quotePosix(grant.path)} alone`)];
}

/** Whoever may ask a container engine is root on its machine. */
export function checkEngines({ places, environment, probes }: InsideMachine): readonly Verdict[] {
  const runtime = environment["XDG_RUNTIME_DIR"];
  const rootless = runtime ? [`${runtime}/docker.sock`, `${runtime}/podman/podman.sock`] : [];
  const named = ["DOCKER_HOST", "CONTAINER_HOST"].flatMap((name) => {
    const [, path] = /^unix:\/\/(\/.+)$/.exec(environment[name] ?? "") ?? [];
    return path === undefined ? [] : [path];
  });
  const sockets = new Set([...places.engineSockets, ...rootless, ...named]);
  const open = [...sockets].filter((path) => lookBehind(path) !== undefined && probes.canConnect(path));
  const wrong = open.map((path) =>
    problem(`${path} can be reached: whoever is here can be root on the host`, `start this sandbox without ${path}`),
  );
  return verdicts(wrong, "no container engine can be reached");
}

export function checkSshAgent({ environment, probes }: InsideMachine): readonly Verdict[] {
  const path = environment["SSH_AUTH_SOCK"];
  if (!path || !probes.canConnect(path)) return [];
  return [warning("an SSH agent can be asked (SSH_AUTH_SOCK)", "unset SSH_AUTH_SOCK")];
}

function hide(path: string): string {
  return `start this sandbox without ${quotePosix(path)}`;
}
