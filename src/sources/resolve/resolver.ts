// The hidden role `--resolve-source`: a child of the daemon that reads a requester's files and finds source credentials
// in a requester's environment. One JSON request on stdin, which holds that environment: a process's own environment
// can be read from outside. One line of JSON on stdout (spawn.ts), secrets nowhere else.
import { systemClock } from "../../clock.ts";
import { KeyholeError } from "../../errors.ts";
import { loadHardened } from "../../native/load.ts";
import { build } from "../../version.ts";
import { type ChainRequest, readFiles, resolveChain } from "./chain.ts";
import { HelperLate } from "../helper.ts";
import { OTHER_BUILD } from "../sts/worker-protocol.ts";
import { RESOLVE_DEADLINE, type ResolveAnswer, type ResolveRequest } from "./spawn.ts";

/** @param daemonBuild the build of the daemon that started it */
export async function main(daemonBuild: string | undefined): Promise<void> {
  if (daemonBuild !== build) process.exit(OTHER_BUILD);
  loadHardened();
  let what = "the files of its source";
  let timer = systemClock.after(RESOLVE_DEADLINE, () => void giveUp(what));
  const answer = await resolve((next, more) => {
    what = next;
    if (more === undefined) return;
    // A helper has a deadline of its own, and the rest of the walk again what it has: the daemon is told by an empty line.
    timer.cancel();
    timer = systemClock.after(more + RESOLVE_DEADLINE, () => void giveUp(what));
    void Bun.write(Bun.stdout, "\n");
  });
  await say(answer.answer);
  if (answer.isLate) endGroup();
  // Whatever a `credential_process` left behind may hold a pipe of ours and keep the loop alive.
  process.exit(0);
}

async function resolve(
  waitsFor: ChainRequest["waitsFor"],
): Promise<{ readonly answer: ResolveAnswer; readonly isLate: boolean }> {
  try {
    return { answer: await ask(waitsFor), isLate: false };
  } catch (error) {
    if (!(error instanceof KeyholeError))
      return { answer: { error: { kind: "internal", message: "resolving failed", hint: undefined } }, isLate: false };
    const { kind, message, hint, said } = error;
    return { answer: { error: { kind, message, hint, said } }, isLate: error instanceof HelperLate };
  }
}

async function ask(waitsFor: ChainRequest["waitsFor"]): Promise<ResolveAnswer> {
  const request = (await Bun.stdin.json()) as ResolveRequest;
  adopt(request.environment);
  const asked = { ...request, clock: systemClock, waitsFor };
  if (request.wants === "files") return { files: (await readFiles(asked)).files };
  const { files, way, source, token } = await resolveChain(asked);
  if (source === undefined) return { files, way, token };
  const { accessKeyId, secretAccessKey, sessionToken, expiresAt, accountId } = source.credentials;
  return {
    files,
    way,
    source: { ...source, credentials: { accessKeyId, secretAccessKey, sessionToken, expiresAt, accountId } },
  };
}

/** What the SDK reads, and Bun for what it asks by itself. */
function adopt(environment: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment);
}

async function say(answer: ResolveAnswer): Promise<void> {
  await Bun.write(Bun.stdout, `${JSON.stringify(answer)}\n`);
}

async function giveUp(what: string): Promise<void> {
  const message = `${what} did not answer within ${RESOLVE_DEADLINE / 1000} s`;
  await say({ error: { kind: "timeout", message, hint: "aws configure list" } });
  endGroup();
}

/** With the `credential_process`: the daemon made this process the leader of a group, in which it is. */
function endGroup(): void {
  try {
    process.kill(-process.pid, "SIGKILL");
  } catch {
    process.exit(1);
  }
}
