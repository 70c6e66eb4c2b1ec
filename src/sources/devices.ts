// What the code of an MFA device opens. GetSessionToken makes a session of its user, which serves every role of the
// device for 12 h; a role that wants more than that allows takes the code in its own AssumeRole.
import type { AssumeRoleCommandInput } from "@aws-sdk/client-sts";
import { DEFAULT_DURATION, DEFAULT_TOKEN_DURATION, LONGEST_CHAINED } from "../config/config.ts";
import { type CredentialFields, Credentials } from "../credentials.ts";
import { KeyholeError } from "../errors.ts";
import { surroundingsWanted } from "../surroundings.ts";
import { createFlightCache } from "./source-cache.ts";
import type { ClockReading } from "./sts/clocks.ts";
import { CodeRefused, type Codes, LONGEST_WAIT, STEP, type UsedCodes } from "./codes.ts";
import { runMfaCommand } from "./mfa.ts";
import { createChildSlots } from "./resolve/child-slots.ts";
import { isCodeRefusal, isStaleSource } from "./sts/refusal.ts";
import type { AssumeRequest, Bound } from "./source.ts";
import { helperSetting, spawnEnvironment, type SpawnOptions } from "./resolve/spawn.ts";
import type { Target } from "./sts/target.ts";
import type { IssuedRole, OperationName, Operations } from "./sts/transport.ts";

export interface DeviceUse extends Pick<AssumeRequest, "signal"> {
  readonly request: AssumeRequest;
  readonly serial: string;
  /** Of its user. */
  readonly credentials: Credentials;
  readonly target: Target;
  /** Of a session, in seconds. */
  readonly duration: number;
  /** Of what is handed on; undefined for what only opens roles. */
  readonly bound: Bound | undefined;
  /** The role whose own call takes the code; undefined for a session of the user. */
  readonly role: AssumeRoleCommandInput | undefined;
  /** What is opened is handed on: who uses the device again wants another. */
  readonly isOnce: boolean;
  readonly explain: (error: unknown) => KeyholeError;
}

export interface Opened extends ClockReading {
  /** See `codeKeyOf`. */
  readonly device: string;
  readonly credentials: CredentialFields;
  /** Of a role. */
  readonly issued: IssuedRole | undefined;
  readonly isOnce: boolean;
}

export interface Devices {
  /** @throws KeyholeError `code-wanted`, `surroundings-wanted`, why there is no code; and what the call throws */
  open(use: DeviceUse): Promise<Opened>;
  /** A call with the session of a device, and with another one where AWS does not take it any more. */
  withSession<Result>(use: DeviceUse, send: (credentials: Credentials) => Promise<Result>): Promise<Result>;
  /** Forgets what AWS no longer takes. Returns whether it was kept. */
  drop(opened: Opened): boolean;
}

export interface DevicesOptions extends SpawnOptions {
  readonly codes: Codes;
  readonly used: UsedCodes;
  readonly call: MeasuredCall;
}

/** A call to STS, by whose answer its clock is measured. */
export type MeasuredCall = <Name extends OperationName>(
  name: Name,
  input: Operations[Name]["input"],
  target: Target,
  credentials: Credentials,
  signal: AbortSignal,
) => Promise<{ readonly output: Operations[Name]["output"] } & ClockReading>;

/** Commands at once. */
const MAX_CHILDREN = 32;
/** Seconds for which one code of a device serves. */
export const DEVICE_SESSION = DEFAULT_TOKEN_DURATION;
/** Milliseconds before its end at which a session is not used any more: what it is used for takes its time. */
const MARGIN = 300_000;
/** Milliseconds for which a session that is opened once is kept for the request that wanted it. */
const FETCH = 60_000;

export function createDevices(options: DevicesOptions): Devices {
  const { clock, codes, used, call } = options;
  const commands = createChildSlots(MAX_CHILDREN, clock);
  const cache = createFlightCache<DeviceUse, Opened>({
    clock,
    keyOf,
    keepFor: ({ credentials: { expiresAt = 0 }, isOnce }, now) =>
      isOnce ? FETCH : Math.max(0, expiresAt - MARGIN - now),
    async work(use) {
      const opened = await sendCode(use, await nextCode(use));
      codes.given(codeKeyOf(use));
      return opened;
    },
  });

  async function runCommand({ request, serial, signal }: DeviceUse): Promise<string> {
    const { name, config, surroundings } = request;
    const { MFA: mfa } = config;
    if (mfa === undefined) throw new KeyholeError("internal", "there is no MFA.command");
    const environment = spawnEnvironment(options, request);
    const helper = helperSetting(options, surroundings, environment);
    return commands({ ...request, signal }, () =>
      runMfaCommand({ name, mfa, serial, environment, helper, clock, signal }),
    );
  }

  async function sendCode(use: DeviceUse, code: string): Promise<Opened> {
    const { serial, credentials, target, duration, bound, role, isOnce, signal } = use;
    const device = codeKeyOf(use);
    const proof = { SerialNumber: serial, TokenCode: code };
    if (role === undefined) {
      const input = { DurationSeconds: within(bound, duration), ...proof };
      const { output, ...reading } = await call("GetSessionToken", input, target, credentials, signal);
      return { ...reading, device, credentials: output, issued: undefined, isOnce };
    }
    const input = { ...role, DurationSeconds: within(bound, role.DurationSeconds), ...proof };
    const { output, ...reading } = await call("AssumeRole", input, target, credentials, signal);
    return { ...reading, device, credentials: output.credentials, issued: output, isOnce };
  }

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
      cache.put(use, await sendCode(use, code));
    } catch (error) {
      const told = use.explain(error);
      throw isCodeRefusal(error) ? new CodeRefused(told.kind, told.message) : told;
    }
    codes.given(codeKeyOf(use));
  }

  /** @param isFit whether a session of the device that was opened for another use will do */
  async function open(use: DeviceUse, isFit: (opened: Opened) => boolean): Promise<Opened> {
    const { request, serial, credentials } = use;
    const device = codeKeyOf(use);
    const kept = cache.kept(use) ?? cache.find((opened) => opened.device === device && isFit(opened));
    if (kept !== undefined) return kept;
    if (request.config.MFA === undefined) {
      // The answer may come when this request is long over.
      const later = { ...use, signal: new AbortController().signal };
      throw codes.want({
        key: device,
        config: request.name,
        serial,
        keyId: credentials.accessKeyId,
        use: (code) => answer(later, code),
      });
    }
    if (request.asksSurroundings) throw surroundingsWanted(`MFA.command of config ${request.name}`);
    return cache.get(use);
  }

  async function withSession<Result>(
    use: DeviceUse,
    send: (credentials: Credentials) => Promise<Result>,
  ): Promise<Result> {
    // However long it lasts, and whomever it was opened for: it is not handed on.
    const opened = await open(use, () => true);
    try {
      return await send(new Credentials(opened.credentials));
    } catch (error) {
      if (!isStaleSource(error)) throw error;
      // Another call may have met the same, and dropped it.
      cache.drop(opened);
    }
    return send(new Credentials((await open(use, () => true)).credentials));
  }

  return {
    open: (use) => open(use, (opened) => endsWith(use.bound, opened)),
    withSession,
    drop: (opened) => cache.drop(opened),
  };
}

/** A user's own session that ends with the grant, or little before: its duration is another at each attempt. */
function endsWith(bound: Bound | undefined, { credentials: { expiresAt = 0 }, issued }: Opened): boolean {
  if (bound === undefined || issued !== undefined) return false;
  const early = bound.until - expiresAt;
  return early >= 0 && early < LONGEST_WAIT;
}

/** A session of the user is one for an hour to the roles it assumes, and session credentials get none. */
export function takesCodeItself(duration: number | undefined, { sessionToken }: Credentials): boolean {
  return (duration ?? 0) > LONGEST_CHAINED || sessionToken !== undefined;
}

/** Seconds: a code may be given long after it was wanted, and less is left of a grant then. */
function within(bound: Bound | undefined, seconds: number | undefined): number | undefined {
  return bound === undefined ? seconds : Math.min(seconds ?? DEFAULT_DURATION, bound.left());
}

/**
 * Of what waits for one code. What is left of a grant is less at each of its holder's attempts, which must not become as
 * many questions: each would push another out.
 */
function codeKeyOf(use: DeviceUse): string {
  return use.role === undefined ? keyOf({ ...use, duration: 0 }) : keyOf(use);
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
