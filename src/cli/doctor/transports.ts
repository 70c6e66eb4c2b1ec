// Which ways to the grant's credentials work in this sandbox. They are not used: a use may be counted, or ask a person.
import { showOnOneLine } from "../../text/controls.ts";
import { directoryOf } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";
import { formatDuration } from "../answers.ts";
import { NOTABLE_SKEW } from "../daemon/status.ts";
import { fileAdvice, gvisorAdvice, isGvisor } from "../vending/grant-socket.ts";
import { lookBehind, readText } from "./files.ts";
import { ok, problem, type Verdict, warning } from "./finding.ts";
import { type InsideMachine, relayOf } from "./machines.ts";
import type { Answerer } from "./probes.ts";
import { toolOf } from "./exposure.ts";

export function checkDirectory({ grant, environment }: InsideMachine): readonly Verdict[] {
  if (grant !== undefined) return [ok(`${grant.path}, delivered by ${grant.deliver}`)];
  if (relayOf(environment) !== undefined) return [ok("no directory, but a relay")];
  return [problem("no grant is mounted here", "on the host: keyhole grant show NAME --for docker")];
}

export async function checkGrantSocket({ grant, places, probes }: InsideMachine): Promise<readonly Verdict[]> {
  if (grant === undefined || grant.deliver !== "socket") return [];
  const path = `${grant.path}/sock`;
  const answer = await probes.askSocket(path);
  // gVisor refuses what it does not permit as the kernel refuses a socket without a listener.
  const isForbidden = answer === "none" && lookBehind(path) !== undefined && isGvisor(places.kernel);
  if (isForbidden) return [problem(`gVisor does not permit to connect to ${path}`, gvisorAdvice)];
  return [answers[answer](path)];
}

const answers: Readonly<Record<Answerer, (path: string) => Verdict>> = {
  grant: () => ok("a grant answers"),
  control: (path) =>
    problem(`${path} is a control socket: this sandbox can do everything`, "on the host: keyhole grant add --help"),
  blocked: (path) =>
    problem(
      `this sandbox does not permit to connect to ${path}: it needs file delivery`,
      fileAdvice(directoryOf(path)),
    ),
  // Mounted as a file, the socket stays that of a daemon that has ended.
  none: (path) =>
    problem(`no daemon answers at ${path}`, "on the host: keyhole daemon start, with the directory mounted as a whole"),
  silent: (path) => problem(`${path} accepts and does not answer`, "on the host: keyhole daemon status"),
  other: (path) => problem(`what answers at ${path} is not understood here`, "on the host: keyhole daemon restart"),
};

interface LeaseDocument {
  readonly Version?: unknown;
  readonly Expiration?: unknown;
}

/** How the version of a lease that has ended begins (daemon/grants/delivery.ts). */
const ENDED = "keyhole: ";

/** Milliseconds: leases are replaced long before, so less than this means that no daemon does. */
const LEAST_LEFT = 5 * 60_000;

export function checkLease({ grant, now }: InsideMachine): readonly Verdict[] {
  if (grant?.deliver !== "file") return [];
  const path = `${grant.path}/lease.json`;
  if (lookBehind(path) === undefined) {
    return [problem(`there is no ${path}`, "on the host: keyhole daemon start, and mount the directory whole")];
  }
  const text = readText(path);
  if (text === undefined) return [problem(`${path} may not be read here`, "on the host: keyhole grant list")];
  const lease = parseLease(text);
  const expires = typeof lease?.Expiration === "string" ? Date.parse(lease.Expiration) : NaN;
  if (typeof lease?.Version === "string" && lease.Version.startsWith(ENDED)) {
    const reason = showOnOneLine(lease.Version.slice(ENDED.length, 200));
    return [problem(`the lease says: ${reason.replaceAll(/arn:\S+/g, "…")}`, "on the host: keyhole grant list")];
  }
  if (lease?.Version !== 1 || Number.isNaN(expires)) {
    return [problem(`${path} is not a lease`, "on the host: keyhole daemon restart")];
  }
  const left = expires - now;
  const status = "on the host: keyhole daemon status";
  if (left <= 0) return [problem(`the lease expired ${formatDuration(-left)} ago`, status)];
  if (left < LEAST_LEFT) return [warning(`the lease ends in ${formatDuration(left)}, and is not renewed`, status)];
  return [ok(`a fresh lease, for another ${formatDuration(left)}`)];
}

function parseLease(text: string): LeaseDocument | undefined {
  try {
    return JSON.parse(text) as LeaseDocument;
  } catch {
    return undefined;
  }
}

/** A virtual machine has a clock of its own; the host's is on the lease. */
export function checkLeaseClock({ grant, now }: InsideMachine): readonly Verdict[] {
  if (grant?.deliver !== "file") return [];
  const written = lookBehind(`${grant.path}/lease.json`)?.mtimeMs;
  if (written === undefined) return [];
  const ahead = written - now;
  if (ahead < NOTABLE_SKEW) return [ok("this clock agrees with the lease")];
  const message = `the lease is from the future: this clock is at least ${formatDuration(ahead)} behind the host's`;
  return [problem(message, "date -u, here and on the host")];
}

/** Without its token, which would be a use: a relay says 401. */
export async function checkRelay({ environment, probes }: InsideMachine): Promise<readonly Verdict[]> {
  const url = relayOf(environment);
  if (url === undefined) return [];
  const status = await probes.getStatus(url);
  if (status === 401) return [ok(`a relay answers at ${url.host}`)];
  const what = status === undefined ? "nothing answers" : `what answers (${status}) is no relay of keyhole's`;
  return [problem(`${what} at ${url.host}`, "keyhole relay -- COMMAND")];
}

/** What the AWS config runs: it must be where the config says, and may be run from there. */
export async function checkProcess({ grant, environment, probes }: InsideMachine): Promise<readonly Verdict[]> {
  const [program] = grant?.process ?? [];
  if (grant === undefined || program === undefined) return [];
  const PATH = environment["PATH"] ?? "";
  if (!program.includes("/")) {
    if (Bun.which(program, { PATH }) !== null) return [ok(`${program} is on the PATH`)];
    const other =
      program === "cat" ? "use an image that has cat" : "on the host: keyhole grant set NAME --executable small";
    return [problem(`${program}, which the AWS config runs, is not on the PATH`, other)];
  }
  if (lookBehind(program) === undefined) {
    const fix = `on the host: keyhole grant add NAME --config CONFIG --mount-at ${quotePosix(grant.path)}`;
    return [problem(`the AWS config runs ${program}, and the grant is at ${grant.path}`, fix)];
  }
  // Tried: Landlock permits no program that the kernel's access(2) does not know of.
  if (await probes.canRun(program)) return [ok(`${program} may be run`)];
  return [problem(`${program} may not be run here (a noexec mount?)`, fileAdvice(grant.path))];
}

/** A process that can write there could leave what the next one trusts. */
export function checkMount(machine: InsideMachine): readonly Verdict[] {
  const { grant, probes } = machine;
  if (grant === undefined) return [];
  if (!probes.canMakeFile(grant.path)) return [ok("cannot be written here")];
  return [warning(`${grant.path} can be written here`, toolOf(machine).protect(grant.path))];
}

/** Only where there is evidence: from inside a process does not see which one connects in its place. */
export function checkPeer({ places }: InsideMachine): readonly Verdict[] {
  if (!isGvisor(places.kernel)) return [];
  const message = "peer is a relay: this is gVisor, and the host sees runsc in the place of every process here";
  return [warning(message, "on the host: no --allow-uid and --allow-gid for this grant")];
}
