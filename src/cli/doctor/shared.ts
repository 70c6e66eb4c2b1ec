// The shared socket of this machine, and the policy of this user's daemon for it.
import { askOnce } from "../../client/asking.ts";
import { KeyholeError } from "../../errors.ts";
import { directoryOf } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";
import { openPolicy } from "../../daemon/members/policy.ts";
import { version } from "../../version.ts";
import { lookAt, lookBehind } from "./files.ts";
import { ok, problem, type Verdict, warning } from "./finding.ts";
import type { HostMachine } from "./hostmachine.ts";

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

/** Whoever is no member of the group is kept out by the directory's mode, as it should be. */
async function askShared(path: string): Promise<Verdict> {
  try {
    const hello = await askOnce(path, PATIENCE, "Hello", { version });
    if (hello.version === version) return ok(`answers at ${path} (pid ${hello.pid})`);
    return warning(`the shared daemon is keyhole ${hello.version}, this executable is ${version}`, "update keyhole");
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    if (error.kind === "blocked") return ok(`${path} is not for this user`);
    return problem(`nobody answers at ${path}`, "ask whoever runs the shared daemon");
  }
}

export function checkSharedPolicy({ settings, uid }: HostMachine): readonly Verdict[] {
  const { sharedPolicy } = settings.paths;
  if (lookAt(sharedPolicy) === undefined) return [];
  const { problems } = openPolicy(sharedPolicy, uid, () => {}).current();
  if (problems.length === 0) return [ok(`${sharedPolicy} is valid`)];
  return problems.map((message) => problem(message, `\${EDITOR:-vi} ${quotePosix(sharedPolicy)}`));
}
