// The hidden role `--resolve-source`: a child of the daemon that asks the SDK's credential chain in a requester's
// environment. One JSON request on stdin, one JSON answer on stdout (spawn.ts), secrets nowhere else.
import { systemClock } from "../daemon/clock.ts";
import { selectSourceEnvironment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { loadHardened } from "../native/load.ts";
import { build } from "../version.ts";
import { resolveChain } from "./chain.ts";
import { hasProxy } from "./handler.ts";
import { OTHER_BUILD } from "./protocol.ts";
import { RESOLVE_DEADLINE, type ResolveAnswer, type ResolveRequest } from "./spawn.ts";

/** Milliseconds beyond the daemon's own deadline, for a daemon that was killed and cannot end its children. */
const GRACE = 2_000;

/** @param daemonBuild the build of the daemon that started it */
export async function main(daemonBuild: string | undefined): Promise<void> {
  if (daemonBuild !== build) process.exit(OTHER_BUILD);
  loadHardened();
  systemClock.after(RESOLVE_DEADLINE + GRACE, endGroup);
  const answer = await resolve();
  await Bun.write(Bun.stdout, JSON.stringify(answer));
  // Whatever a `credential_process` left behind may hold a pipe of ours and keep the loop alive.
  process.exit(0);
}

async function resolve(): Promise<ResolveAnswer> {
  try {
    const { name, profile, environment: sent } = (await Bun.stdin.json()) as ResolveRequest;
    Object.assign(process.env, sent);
    const environment = selectSourceEnvironment(process.env, () => process.cwd());
    const isProxied = hasProxy(process.env);
    const source = await resolveChain({ name, profile, environment, isProxied, clock: systemClock });
    const { accessKeyId, secretAccessKey, sessionToken, expiresAt, accountId } = source.credentials;
    return { ...source, credentials: { accessKeyId, secretAccessKey, sessionToken, expiresAt, accountId } };
  } catch (error) {
    if (!(error instanceof KeyholeError)) return { error: { kind: "internal", message: "resolving failed" } };
    const { kind, message, hint } = error;
    return { error: { kind, message, hint } };
  }
}

/** The daemon made this process the leader of a group, with the `credential_process` in it. */
function endGroup(): void {
  try {
    process.kill(-process.pid, "SIGKILL");
  } catch {
    process.exit(1);
  }
}
