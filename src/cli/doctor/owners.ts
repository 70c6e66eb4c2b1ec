// Who owns keyhole's directories and files, and who may read or write them.
import type { Stats } from "node:fs";
import { KeyholeError } from "../../errors.ts";
import { refuseForeign, refuseForeignParent } from "../../files/trust.ts";
import { directoryOf } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";
import { formatMode, looseParents } from "../grants/parents.ts";
import { lookAt, lookBehind, namesIn } from "./files.ts";
import { problem, type Verdict, verdicts, warning } from "./finding.ts";
import type { HostMachine } from "./machines.ts";

/** Permissions of group and others. */
const FOREIGN = 0o077;

export function checkPlaces(machine: HostMachine): readonly Verdict[] {
  const { settings, uid } = machine;
  const { home, socket, lock, log, audit, runDir, binDir, grantDir, grantMounts, configDir } = settings.paths;
  const isOwn = (path: string) => path === home || path.startsWith(`${home}/`);
  const socketDir = directoryOf(socket);
  const directories = [home, socketDir, directoryOf(log), runDir, binDir, grantDir, configDir];
  const files = [lock, log, audit, ...yamlIn(configDir), ...yamlIn(grantDir)];
  const wrong = [
    ...foreignParent(home, uid),
    ...unique(directories).flatMap((path) => [
      ...foreign(path, uid),
      // The socket's may be a group's, and one that a person named is that person's.
      ...(isOwn(path) ? open(path, path === socketDir ? FOREIGN & ~settings.socketDirMode : FOREIGN) : []),
    ]),
    ...files.flatMap((path) => foreign(path, uid)),
    ...socketModes(socket, uid),
    ...foreign(grantMounts, uid),
    ...looseMounts(machine),
  ];
  return verdicts(wrong, `${home} is this user's alone`);
}

/** What another user owns, or may write to. Of a link, also what it leads to. */
function foreign(path: string, uid: number): Verdict[] {
  const stats = [lookAt(path), lookBehind(path)].filter((each) => each !== undefined);
  const real = stats.filter((each) => !each.isSymbolicLink());
  return refusals(() => real.forEach((each) => refuseForeign(path, each, [uid, 0])));
}

function foreignParent(path: string, uid: number): Verdict[] {
  const parent = directoryOf(path);
  const stats = lookBehind(parent);
  return stats === undefined ? [] : refusals(() => refuseForeignParent(parent, stats, [uid, 0]));
}

function refusals(refuse: () => void): Verdict[] {
  try {
    refuse();
    return [];
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    return [problem(error.message, error.hint ?? "keyhole doctor")];
  }
}

/** @param permissions that a directory must not have */
function open(path: string, permissions: number): Verdict[] {
  const stats = lookAt(path);
  // Who may write is named by `foreign`.
  if (stats === undefined || (stats.mode & permissions) === 0 || (stats.mode & 0o022) !== 0) return [];
  return [warning(`${path} can be entered or listed by others (${modeOf(stats)})`, chmod("go-rwx", path))];
}

/** The daemon also looks at the uid of each client, so a mode that is too wide lets no other user in. */
function socketModes(path: string, uid: number): Verdict[] {
  const stats = lookAt(path);
  if (stats === undefined) return [];
  if (!stats.isSocket()) return [problem(`${path} is not a socket`, "keyhole daemon restart")];
  if (stats.uid !== uid && stats.uid !== 0) return foreign(path, uid);
  if ((stats.mode & 0o007) === 0) return [];
  return [warning(`${path} is open to other users (${modeOf(stats)})`, chmod("o-rwx", path))];
}

function looseMounts({ settings, environment, uid, run, devices }: HostMachine): Verdict[] {
  return looseParents(settings, environment, uid, { run, devices }).map(({ path, mode }) =>
    problem(
      `${path} has mode ${formatMode(mode)}: the directories of grants can be found, or not be entered`,
      "keyhole daemon restart, which mends it; and make those grants anew that a sandbox may have found",
    ),
  );
}

function yamlIn(directory: string): string[] {
  return namesIn(directory)
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => `${directory}/${name}`);
}

function chmod(mode: string, path: string): string {
  return `chmod ${mode} ${quotePosix(path)}`;
}

function modeOf({ mode }: Stats): string {
  return `0${(mode & 0o777).toString(8)}`;
}

function unique(paths: readonly string[]): string[] {
  return [...new Set(paths)];
}
