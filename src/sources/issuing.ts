// The calls that issue credentials: what is sent for a config, with a device's code where it is asked for, and what is kept
// of the answer.
import type { AssumeRoleSection, Config, GetSessionTokenSection, WebIdentitySection } from "../config/config.ts";
import { type CredentialFields, Credentials } from "../credentials.ts";
import { KeyholeError } from "../errors.ts";
import { DEVICE_SESSION, type Devices, type DeviceUse, type MeasuredCall, takesCodeItself } from "./devices.ts";
import { type ResolvedSource, UNSIGNED } from "./given-keys.ts";
import { mfaOf } from "./mfa.ts";
import type { AssumedRole, AssumeRequest, RoleRequest } from "./source.ts";
import type { ClockReading } from "./sts/clocks.ts";
import { buildParameters, defaultSessionName } from "./sts/parameters.ts";
import { explainFailure } from "./sts/refusal.ts";
import { describeSts, type Target } from "./sts/target.ts";
import type { IssuedRole, Operations } from "./sts/transport.ts";

/** One AssumeRole as it goes to STS, with what may change between two tries. */
export interface Attempt {
  readonly source: ResolvedSource;
  /** Overrides the config's; seconds. */
  readonly duration: number | undefined;
}

export type Given = Omit<AssumedRole, "files">;

interface IssuingOptions {
  /** The user whose name stands in role session names. */
  readonly user: () => string;
  readonly devices: Devices;
  readonly call: MeasuredCall;
}

export function createIssuing({ user, devices, call }: IssuingOptions) {
  async function withToken(
    request: AssumeRequest,
    { token_file: file }: WebIdentitySection,
    target: Target,
    token: string,
  ): Promise<Given> {
    const { name, config, signal } = request;
    const { AssumeRole: role } = config;
    if (role === undefined) throw new KeyholeError("internal", "there is no role");
    const parameters = {
      RoleArn: role.RoleArn,
      RoleSessionName: role.RoleSessionName ?? defaultSessionName(user(), name),
      WebIdentityToken: token,
      Policy: role.Policy,
      PolicyArns: role.PolicyArns?.map((arn) => ({ arn })),
      DurationSeconds: role.DurationSeconds,
    };
    try {
      const { output, ...reading } = await request.turn(target.endpoint ?? target.region, () =>
        call("AssumeRoleWithWebIdentity", parameters, target, UNSIGNED, signal),
      );
      return {
        ...output,
        credentials: new Credentials(output.credentials),
        region: target.namedRegion,
        sourceDescription: `web identity of ${file ?? "WebIdentity.command"}, ${describeSts(target)}`,
        ...reading,
        notes: [],
        ungrantable: undefined,
      };
    } catch (error) {
      throw explain(error, request, target, {
        credentials: new Credentials({ accessKeyId: "unsigned", secretAccessKey: "unsigned", sessionToken: token }),
        renewal: undefined,
      });
    }
  }

  async function assume(
    request: AssumeRequest,
    role: AssumeRoleSection,
    target: Target,
    attempt: Attempt,
  ): Promise<Given> {
    const { name, config, signal } = request;
    const { source } = attempt;
    const {
      SerialNumber: serial,
      TokenCode: code,
      ...input
    } = buildParameters(role, {
      sessionName: role.RoleSessionName ?? defaultSessionName(user(), name),
      duration: attempt.duration,
      tokenCode: config.MFA === undefined ? role.TokenCode : undefined,
    });
    const send = (credentials: Credentials, more: object = {}) =>
      request.turn(target.endpoint ?? target.region, () =>
        call("AssumeRole", { ...input, ...more }, target, credentials, signal),
      );
    const isAsked = serial !== undefined && code === undefined;
    const { output, ...reading } = await (isAsked
      ? assumeWithDevice({ request, serial, target, source, input, send })
      : send(source.credentials, { SerialNumber: serial, TokenCode: code }));
    return {
      ...output,
      credentials: new Credentials(output.credentials),
      region: target.namedRegion,
      sourceDescription: `${source.description}, ${describeSts(target)}`,
      ...reading,
      notes: [...source.notes, ...codeNotes(config), ...durationNotes(request, attempt)],
      ungrantable: undefined,
    };
  }

  /** A session of the user whose keys these are: GetSessionToken. */
  async function openSession(
    request: AssumeRequest,
    { DurationSeconds, SerialNumber: serial, TokenCode: code }: GetSessionTokenSection,
    target: Target,
    source: ResolvedSource,
  ): Promise<Given> {
    const { credentials } = source;
    const isAsked = serial !== undefined && (request.config.MFA !== undefined || code === undefined);
    const input = { DurationSeconds, SerialNumber: serial, TokenCode: code };
    const { output, ...reading } = isAsked
      ? await openKept(request, serial, target, source, DurationSeconds)
      : await request.turn(target.endpoint ?? target.region, () =>
          call("GetSessionToken", input, target, credentials, request.signal),
        );
    return {
      credentials: new Credentials(output),
      // Who it is, only AWS knows: `keyhole whoami` asks.
      assumedRoleId: "",
      arn: "",
      region: target.namedRegion,
      sourceDescription: `${source.description}, ${describeSts(target)}`,
      ...reading,
      notes: [...source.notes, ...codeNotes(request.config)],
      ungrantable: undefined,
    };
  }

  /** The session of the device, which its roles use as well: AWS's clock was read when it was opened, and not now. */
  async function openKept(
    request: AssumeRequest,
    serial: string,
    target: Target,
    source: ResolvedSource,
    duration: number | undefined,
  ): Promise<{ readonly output: CredentialFields } & ClockReading> {
    const { credentials } = await devices.open({
      request,
      signal: request.signal,
      serial,
      credentials: source.credentials,
      target,
      duration: duration ?? DEVICE_SESSION,
      bound: request.bound,
      role: undefined,
      isOnce: false,
      explain: (error) => explain(error, request, target, source),
    });
    return { output: credentials, clockSkew: undefined, clock: "aws" };
  }

  async function assumeWithDevice({
    request,
    serial,
    target,
    source,
    input,
    send,
  }: {
    readonly request: AssumeRequest;
    readonly serial: string;
    readonly target: Target;
    readonly source: ResolvedSource;
    readonly input: Operations["AssumeRole"]["input"];
    readonly send: (credentials: Credentials) => Promise<{ readonly output: IssuedRole } & ClockReading>;
  }): Promise<{ readonly output: IssuedRole } & ClockReading> {
    const isDirect = takesCodeItself(input.DurationSeconds, source.credentials);
    const use: DeviceUse = {
      request,
      signal: request.signal,
      serial,
      credentials: source.credentials,
      target,
      duration: DEVICE_SESSION,
      bound: isDirect ? request.bound : undefined,
      role: isDirect ? input : undefined,
      isOnce: isDirect,
      explain: (error) => explain(error, request, target, source),
    };
    if (!isDirect) return devices.withSession(use, send);
    const opened = await devices.open(use);
    devices.drop(opened);
    if (opened.issued === undefined) throw new KeyholeError("internal", "the device opened no role");
    return { output: opened.issued, clockSkew: opened.clockSkew, clock: opened.clock };
  }

  return { assume, openSession, withToken };
}

/** Milliseconds for which keys without an end are handed out: they are read anew at half of it. */
const ENDLESS = 30 * 60_000;

export function passThrough(
  { credentials, ...source }: ResolvedSource,
  region: string | undefined,
  now: number,
): Given {
  const { accessKeyId, secretAccessKey, sessionToken, accountId, expiresAt = now + ENDLESS } = credentials;
  return {
    credentials: new Credentials({ accessKeyId, secretAccessKey, sessionToken, accountId, expiresAt }),
    // Who they are, only AWS knows: `keyhole whoami` asks.
    assumedRoleId: "",
    arn: "",
    packedPolicySize: undefined,
    region,
    sourceDescription: source.description,
    clockSkew: undefined,
    clock: "aws",
    notes: source.notes,
    ungrantable: whyUngrantable(credentials),
  };
}

/** A sandbox that is stopped must not keep what it had. */
function whyUngrantable({ accessKeyId, sessionToken, expiresAt }: Credentials): string | undefined {
  // What a helper calls a session token does not make a session of a user's own key.
  if (sessionToken === undefined || accessKeyId.startsWith("AKIA")) return "are long-lived keys";
  return expiresAt === undefined ? "do not say when they end" : undefined;
}

function codeNotes({ MFA, AssumeRole, GetSessionToken }: Config): string[] {
  const section = GetSessionToken === undefined ? "AssumeRole" : "GetSessionToken";
  const isIgnored = MFA !== undefined && (GetSessionToken ?? AssumeRole)?.TokenCode !== undefined;
  return isIgnored ? [`${section}.TokenCode is ignored: MFA.command gives the code`] : [];
}

function durationNotes({ config }: AssumeRequest, { duration }: Attempt): string[] {
  if (duration === undefined) return [];
  return [
    `DurationSeconds is ${duration} instead of ${config.AssumeRole?.DurationSeconds ?? "the default"}: the source credentials are a role's session (role chaining)`,
  ];
}

export function explain(
  error: unknown,
  request: RoleRequest,
  target: Target,
  source: Pick<ResolvedSource, "credentials" | "renewal">,
): KeyholeError {
  const { AssumeRole, GetSessionToken } = request.config;
  const code = AssumeRole?.TokenCode ?? GetSessionToken?.TokenCode;
  const { secretAccessKey, sessionToken } = source.credentials;
  return explainFailure(error, {
    name: request.name,
    roleArn: AssumeRole?.RoleArn ?? "",
    region: target.region,
    renewal: source.renewal,
    secrets: [secretAccessKey, sessionToken, AssumeRole?.ExternalId, code],
    server: "STS",
    sent: { mfa: mfaOf(request.config), hasExternalId: AssumeRole?.ExternalId !== undefined, profile: undefined },
  });
}
