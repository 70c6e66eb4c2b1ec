// The daemon: whether it answers, on which socket, with which clock; and the shared one of this machine.
import { readFileSync } from "node:fs";
import { copyName } from "../../files/copies.ts";
import { stateOf } from "../../grants/grant.ts";
import { openGrantStore } from "../../grants/store.ts";
import { directoryOf } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";
import { build, version } from "../../version.ts";
import { liveLockHolder } from "../daemon/lock-holder.ts";
import { describeRelease, describeSkew, skewOf } from "../daemon/status.ts";
import { lookAt, lookBehind, namesIn } from "./files.ts";
import { ok, problem, type Verdict, verdicts, warning } from "./finding.ts";
import type { HostMachine } from "./machines.ts";
import { askOnce } from "../../client/asking.ts";
import { KeyholeError } from "../../errors.ts";
import { openPolicy } from "../../daemon/members/policy.ts";

type Machine = HostMachine;

/** Milliseconds: AWS refuses signatures that are further off. */
const REFUSED_SKEW = 5 * 60_000;

export function checkDaemon({ daemon, settings, uid, now }: Machine): readonly Verdict[] {
  if (settings.isInProcess) return [ok("KEYHOLE_DISABLE is set: every command is its own broker")];
  if ("status" in daemon) {
    const { pid, notes } = daemon.status;
    const own = notes.map((note) => {
      // Some notes end in the command that helps.
      const [, message = note, command = "keyhole daemon logs"] = /^(.*): (keyhole .*)$/s.exec(note) ?? [];
      return warning(message, command);
    });
    if (daemon.uid === uid || daemon.uid === 0 || uid === 0) return verdicts(own, `answers (pid ${pid})`);
    const { socket } = settings.paths;
    return [
      problem(`what answers at ${socket} belongs to another user (uid ${daemon.uid})`, `ls -l ${quotePosix(socket)}`),
    ];
  }
  const { failure } = daemon;
  if (failure.kind === "timeout") return [problem(failure.message, "keyhole daemon kill")];
  if (failure.kind !== "unreachable") return [problem(failure.message, failure.hint ?? "keyhole daemon logs")];
  const grants = countGrants(settings.paths.grantDir, now);
  if (grants > 0) {
    return [problem(`is not running, and does not serve its grants (${grants})`, "keyhole daemon start")];
  }
  if (settings.usesShared && lookAt(settings.paths.sharedSocket)?.isSocket() === true) {
    return [ok("is not running; the shared daemon of this machine is used")];
  }
  return [warning("is not running", "keyhole daemon start")];
}

/** Only executables that could be asked; another check says what cannot be read. */
function countGrants(directory: string, now: number): number {
  const store = openGrantStore(directory);
  try {
    return store.list().filter((name) => stateOf(store.read(name), now) === "active").length;
  } catch {
    return 0;
  }
}

export function checkVersion({ daemon, settings }: Machine): readonly Verdict[] {
  if (!("status" in daemon)) return [];
  const release = describeRelease(daemon.status);
  if (release !== undefined) return [warning(release, "keyhole daemon restart")];
  // A daemon keeps the copy of its own build, and no other.
  const copies = namesIn(settings.paths.binDir).filter((name) => name.startsWith("keyhole-"));
  if (copies.length > 0 && !copies.includes(copyName(build))) {
    return [warning(`the daemon is another build of keyhole ${version}`, "keyhole daemon restart")];
  }
  return [ok(`keyhole ${version}, as this executable`)];
}

export function checkLock({ daemon, settings }: Machine): readonly Verdict[] {
  const holder = liveLockHolder(settings.paths.lock);
  if ("status" in daemon) {
    const { pid } = daemon.status;
    // A daemon in a container knows itself by another pid; then the lock's is of no process here.
    if (holder === undefined || holder === pid) return [ok(`held by pid ${pid}`)];
    return [problem(`held by pid ${holder}, but pid ${pid} answers`, "keyhole daemon restart")];
  }
  if (holder === undefined) return [ok("not held")];
  return [problem(`held by pid ${holder}, which does not answer`, "keyhole daemon kill")];
}

/** A socket without a listener; and those that were never put in their place. */
export function checkSocket({ daemon, settings, proc }: Machine): readonly Verdict[] {
  const { socket } = settings.paths;
  const directory = directoryOf(socket);
  const stale = namesIn(directory).filter((name) => {
    const [, pid] = /^.+\.sock\.([0-9]+)$/.exec(name) ?? [];
    return pid !== undefined && lookAt(`${proc}/${pid}`) === undefined;
  });
  const wrong = stale.map((name) => {
    const path = `${directory}/${name}`;
    return warning(`${path} was left by a daemon that was killed`, `rm ${quotePosix(path)}`);
  });
  const isDead = !("status" in daemon) && daemon.failure.kind === "unreachable" && lookAt(socket) !== undefined;
  if (isDead) wrong.unshift(warning(`${socket} is there, but no daemon answers`, "keyhole daemon start"));
  return verdicts(wrong, "no stale sockets");
}

export function checkClock({ daemon }: Machine): readonly Verdict[] {
  if (!("status" in daemon)) return [];
  const skew = skewOf(daemon.status);
  const message = describeSkew(skew);
  if (message === undefined) return [ok("this machine's clock agrees with AWS's")];
  return [(Math.abs(skew) < REFUSED_SKEW ? warning : problem)(message, "sudo timedatectl set-ntp true")];
}

export function checkDescriptors({ daemon, settings, proc }: Machine): readonly Verdict[] {
  if (!("status" in daemon)) return [];
  const limit = descriptorLimit(`${proc}/${daemon.status.pid}/limits`);
  if (limit === undefined) return [];
  const needed = settings.maxConnections;
  if (limit > needed) return [ok(`the daemon may open ${limit} files`)];
  const message = `the daemon may open ${limit} files, which is too few for ${needed} connections`;
  return [warning(message, `ulimit -n ${2 * needed} && keyhole daemon restart`)];
}

/** Undefined where there is no /proc, and for a daemon in another namespace of processes. */
function descriptorLimit(path: string): number | undefined {
  try {
    const [, soft] = /^Max open files +([0-9]+|unlimited) /m.exec(readFileSync(path, "latin1")) ?? [];
    return soft === undefined ? undefined : soft === "unlimited" ? Infinity : Number(soft);
  } catch {
    return undefined;
  }
}

/** Milliseconds; Hello is answered from memory. */
const PATIENCE = 2000;

export async function checkSharedSocket({ settings }: HostMachine): Promise<readonly Verdict[]> {
  const { sharedSocket } = settings.paths;
  const directory = directoryOf(sharedSocket);
  const outer = lookBehind(directory);
  if (!settings.usesShared || outer === undefined) return [];
  const socket = lookAt(sharedSocket);
  if (socket !== undefined && (socket.mode & 0o006) === 0o006 && (outer.mode & 0o001) !== 0) {
    const message = `every user of this machine can reach ${sharedSocket}`;
    return [problem(message, `sudo chmod o-rwx ${quotePosix(directory)} ${quotePosix(sharedSocket)}`)];
  }
  if ((outer.mode & 0o022) !== 0) {
    const message = `${directory} can be written by others, who could answer in the place of the daemon`;
    const isPublic = (outer.mode & 0o1000) !== 0;
    const advice = isPublic ? "export KEYHOLE_SHARED_SOCKET=/path/in/a/directory/of/the/operator" : undefined;
    return [problem(message, advice ?? `sudo chmod go-w ${quotePosix(directory)}`)];
  }
  return [await askShared(sharedSocket)];
}

/** A user who is not in the group is kept out by the directory's mode, as it should be. */
async function askShared(path: string): Promise<Verdict> {
  try {
    const hello = await askOnce(path, PATIENCE, "Hello", { version });
    if (hello.version === version) return ok(`answers at ${path} (pid ${hello.pid})`);
    return warning(`the shared daemon is keyhole ${hello.version}, this executable is ${version}`, "update keyhole");
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    if (error.kind === "blocked") return ok(`${path} is not for this user`);
    return problem(`no daemon answers at ${path}`, "ask the operator of the shared daemon");
  }
}

export function checkSharedPolicy({ settings, uid }: HostMachine): readonly Verdict[] {
  const { sharedPolicy } = settings.paths;
  if (lookAt(sharedPolicy) === undefined) return [];
  const { problems } = openPolicy(sharedPolicy, uid, () => {}).current();
  if (problems.length === 0) return [ok(`${sharedPolicy} is valid`)];
  return problems.map((message) => problem(message, `\${EDITOR:-vi} ${quotePosix(sharedPolicy)}`));
}
