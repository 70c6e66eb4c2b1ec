// What the code of an MFA device opens. GetSessionToken makes a session of its user, which serves every role of the
// device for 12 h; a role that wants more than that allows takes the code in its own AssumeRole.
import type { AssumeRoleCommandInput } from "@aws-sdk/client-sts";
import type { Clock } from "../clock.ts";
import type { CredentialFields, Credentials } from "../credentials.ts";
import { KeyholeError } from "../errors.ts";
import { surroundingsWanted } from "../surroundings.ts";
import { createFlightCache } from "./cache.ts";
import type { ClockReading } from "./clocks.ts";
import { CodeRefused, type Codes, STEP, type UsedCodes } from "./codes.ts";
import { isCodeRefusal } from "./refusal.ts";
import type { AssumeRequest } from "./source.ts";
import type { Target } from "./target.ts";
import type { IssuedRole } from "./transport.ts";

/** One use of a device. */
export interface DeviceUse extends Pick<AssumeRequest, "signal"> {
  readonly request: AssumeRequest;
  readonly serial: string;
  /** Of its user. */
  readonly credentials: Credentials;
  readonly target: Target;
  /** Of a session, in seconds. */
  readonly duration: number;
  /** The role whose own call takes the code; undefined for a session of the user. */
  readonly role: AssumeRoleCommandInput | undefined;
  /** What is opened is handed on: who uses the device again wants another. */
  readonly isOnce: boolean;
  readonly explain: (error: unknown) => KeyholeError;
}

export interface Opened extends ClockReading {
  readonly credentials: CredentialFields;
  /** Of a role. */
  readonly issued: IssuedRole | undefined;
  readonly isOnce: boolean;
}

export interface Devices {
  /** @throws KeyholeError `code-wanted`, `surroundings-wanted`, why there is no code; and what the call throws */
  open(use: DeviceUse): Promise<Opened>;
  /** Forgets what AWS no longer takes. Returns whether it was kept. */
  drop(use: DeviceUse, opened: Opened): boolean;
}

export interface DevicesOptions {
  readonly clock: Clock;
  readonly codes: Codes;
  readonly used: UsedCodes;
  /** The code that MFA.command prints. */
  readonly runCommand: (use: DeviceUse) => Promise<string>;
  readonly send: (use: DeviceUse, code: string) => Promise<Opened>;
}

/** Milliseconds before its end at which a session is not used any more: what it is used for takes its time. */
const MARGIN = 300_000;
/** Milliseconds for which who wanted something that is opened once has time to fetch it. */
const FETCH = 60_000;

export function createDevices({ clock, codes, used, runCommand, send }: DevicesOptions): Devices {
  const cache = createFlightCache<DeviceUse, Opened>({
    clock,
    keyOf,
    keepFor: ({ credentials: { expiresAt = 0 }, isOnce }, now) =>
      isOnce ? FETCH : Math.max(0, expiresAt - MARGIN - now),
    async work(use) {
      const opened = await send(use, await nextCode(use));
      codes.given(keyOf(use));
      return opened;
    },
  });

  async function nextCode(use: DeviceUse): Promise<string> {
    const code = await runCommand(use);
    if (used.take(use.serial, code)) return code;
    await nextStep(use.signal);
    const next = await runCommand(use);
    if (used.take(use.serial, next)) return next;
    throw new KeyholeError(
      "person-needed",
      "MFA.command printed a code that was used already",
      `keyhole config update -n ${use.request.name}`,
    );
  }

  /** A device shows another code then. */
  function nextStep(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.after(STEP - (clock.wall() % STEP), resolve);
    signal.addEventListener("abort", () => (timer.cancel(), resolve()), { once: true });
    return promise;
  }

  async function answer(use: DeviceUse, code: string): Promise<void> {
    try {
      cache.put(use, await send(use, code));
    } catch (error) {
      const told = use.explain(error);
      throw isCodeRefusal(error) ? new CodeRefused(told.kind, told.message) : told;
    }
    codes.given(keyOf(use));
  }

  return {
    async open(use) {
      const { request, serial, credentials } = use;
      const kept = cache.kept(use);
      if (kept !== undefined) return kept;
      if (request.config.MFA === undefined) {
        // Whoever answers may do so when this request is long over.
        const later = { ...use, signal: new AbortController().signal };
        throw codes.want({
          key: keyOf(use),
          config: request.name,
          serial,
          keyId: credentials.accessKeyId,
          use: (code) => answer(later, code),
        });
      }
      if (request.asksSurroundings) throw surroundingsWanted(`MFA.command of config '${request.name}'`);
      return cache.get(use);
    },
    drop: (use, opened) => cache.drop(use, opened),
  };
}

/** A hash, because a key need not keep secrets. The duration of a grant's session is another at each attempt. */
function keyOf({ role, duration: session, serial, credentials, target, isOnce }: DeviceUse): string {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const duration = isOnce ? undefined : role?.DurationSeconds;
  const call = role === undefined ? session : { ...role, DurationSeconds: duration };
  return new Bun.CryptoHasher("sha256")
    .update(JSON.stringify([call, serial, accessKeyId, secretAccessKey, sessionToken ?? null, target.endpoint ?? null]))
    .digest("base64");
}
