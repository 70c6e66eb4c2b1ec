// A cached sign-in that is to be renewed: by one process at a time, under a lock beside it, and written back as the AWS
// CLI does, whole or not at all. A refresh token counts once: who renews and does not write takes the sign-in away.
import * as fs from "node:fs";
import type { Clock, Timer } from "../../clock.ts";
import { codeOf, KeyholeError } from "../../errors.ts";
import { readForeign } from "../../files/foreign.ts";
import { openOwnFile, writeAtomically } from "../../files/writing.ts";
import { loadNative } from "../../native/load.ts";
import { quotePosix } from "../../text/quoting.ts";

/** Milliseconds before its end at which the SDK renews a sign-in. */
const WINDOW = 5 * 60_000;
/** Milliseconds between two looks at a lock that another process has. */
const PAUSE = 20;
/** Milliseconds for which a refusal counts for all who waited meanwhile. */
const REFUSED_FOR = 10_000;

export interface SignIn {
  /** The directory of the cache, and the name of its file. */
  readonly cache: string;
  readonly file: string;
  /** Where a directory that stands for the cache has the file, for the SDK. */
  readonly below: string;
  /** For who is told that it cannot be renewed. */
  readonly what: string;
  readonly clock: Clock;
}

/**
 * Runs `use` when no other process renews the sign-in. Where it may be renewed it is in a directory of its
 * own, that `use` is given, and moved from there.
 *
 * @param refused what to throw where the same sign-in was just refused to another; `use` throws the same
 */
export async function useSignIn<Result>(
  signIn: SignIn,
  refused: () => KeyholeError,
  use: (directory: string | undefined) => Promise<Result>,
): Promise<Result> {
  const { cache, file, what, clock } = signIn;
  const path = `${cache}/${file}`;
  if (!isEnding(await readForeign(path), clock)) return use(undefined);
  const descriptor = await lock(`${path}.lock`, what);
  try {
    const text = await readForeign(path);
    if (text === undefined || !isEnding(text, clock)) return await use(undefined);
    if (wasRefused(descriptor, text, clock)) throw refused();
    return await renew(signIn, text, use, descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** What cannot be understood may be half of what another process writes, which is waited for. */
function isEnding(text: string | undefined, clock: Clock): boolean {
  if (text === undefined) return false;
  try {
    const { accessToken, expiresAt = nested(accessToken), refreshToken } = JSON.parse(text) as Record<string, unknown>;
    const end = typeof expiresAt === "string" ? Date.parse(expiresAt) : Number.NaN;
    return typeof refreshToken === "string" && !(end - clock.wall() > WINDOW);
  } catch {
    return true;
  }
}

/** Of `aws login`, whose access token is a set of keys. */
function nested(token: unknown): unknown {
  return typeof token === "object" && token !== null && "expiresAt" in token ? token.expiresAt : undefined;
}

async function lock(path: string, what: string): Promise<number> {
  let descriptor: number;
  try {
    descriptor = openOwnFile(path, fs.constants.O_RDWR, "lock");
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    throw new KeyholeError("person-needed", `${what} cannot be renewed: ${error.message}`, error.hint);
  }
  const native = loadNative();
  while (!native.lockFile(descriptor)) await Bun.sleep(PAUSE);
  return descriptor;
}

async function renew<Result>(
  { cache, file, below, what, clock }: SignIn,
  before: string,
  use: (directory: string) => Promise<Result>,
  descriptor: number,
): Promise<Result> {
  const room = makeRoom(cache, file, what);
  const copy = `${room}/${below}${file}`;
  let known = before;
  let timer: Timer | undefined;

  function keep(): void {
    const text = fs.readFileSync(copy, "utf8");
    if (text === known || !isWhole(text)) return;
    writeAtomically(`${cache}/${file}`, text, { exclusive: false, durable: true });
    known = text;
  }

  /** At once: the old refresh token is spent, and this process is killed where what comes next does not answer. */
  function watch(): void {
    try {
      keep();
    } catch {
      // At the end it is tried again, and said.
    }
    timer = clock.after(PAUSE, watch);
  }

  try {
    fs.mkdirSync(`${room}/${below}`, { recursive: true, mode: 0o700 });
    fs.writeFileSync(copy, before, { mode: 0o600, flag: "wx" });
    watch();
    try {
      return await use(room);
    } catch (error) {
      if (error instanceof KeyholeError && error.kind === "person-needed") noteRefusal(descriptor, before, clock);
      throw error;
    } finally {
      keep();
    }
  } finally {
    timer?.cancel();
    fs.rmSync(room, { recursive: true, force: true });
  }
}

/** The SDK writes it in place. */
function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** What has the lock removes what one before it left that was killed. */
function makeRoom(cache: string, file: string, what: string): string {
  const prefix = `.keyhole-${file}-`;
  try {
    for (const name of fs.readdirSync(cache))
      if (name.startsWith(prefix)) fs.rmSync(`${cache}/${name}`, { recursive: true, force: true });
    return fs.mkdtempSync(`${cache}/${prefix}`);
  } catch (error) {
    const message = `${what} cannot be renewed: nothing can be written to ${cache} (${codeOf(error) ?? "unknown"})`;
    throw new KeyholeError("person-needed", message, `ls -ld ${quotePosix(cache)}`);
  }
}

/** Beside the time, a hash of the refused sign-in: another may come at any time. */
function noteRefusal(descriptor: number, text: string, clock: Clock): void {
  fs.ftruncateSync(descriptor);
  fs.writeSync(descriptor, `${hashOf(text)} ${clock.wall()}`, 0);
}

function wasRefused(descriptor: number, text: string, clock: Clock): boolean {
  const buffer = Buffer.alloc(128);
  const noted = buffer.toString("utf8", 0, fs.readSync(descriptor, buffer, 0, buffer.length, 0));
  const [hash, at] = noted.split(" ");
  return hash === hashOf(text) && Math.abs(clock.wall() - Number(at)) < REFUSED_FOR;
}

function hashOf(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}
