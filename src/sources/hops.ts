// Roles of profiles that are assumed in the daemon: the first of them asks for a code, which the walk of a child does not have.
import type { Clock } from "../clock.ts";
import { Credentials } from "../credentials.ts";
import { isErrorOf, type KeyholeError } from "../errors.ts";
import { createFlightCache, LONGEST_KEEP } from "./source-cache.ts";
import { DEVICE_SESSION, type Devices, type MeasuredCall, takesCodeItself } from "./devices.ts";
import type { ResolvedSource } from "./given-keys.ts";
import { mfaOf } from "./mfa.ts";
import { hopParameters } from "./sts/parameters.ts";
import type { Hop } from "./resolve/profile-plan.ts";
import { explainHop, type Sent } from "./sts/refusal.ts";
import type { AssumeRequest } from "./source.ts";
import { hopTarget, type Way } from "./sts/target.ts";

/** A role that a profile names, on the way to source credentials. */
interface HopUse {
  readonly request: AssumeRequest;
  readonly hop: Hop;
  readonly credentials: Credentials;
  readonly way: Way;
  readonly signal: AbortSignal;
}

interface HopsOptions {
  readonly clock: Clock;
  /** For the names of sessions. */
  readonly user: () => string;
  readonly devices: Devices;
  readonly call: MeasuredCall;
}

/** Source credentials with the roles of `rest` assumed. Throws as CredentialSource.assume does. */
type WalkOn = (request: AssumeRequest, way: Way, source: ResolvedSource) => Promise<ResolvedSource>;

export function createHops({ clock, user, devices, call }: HopsOptions): WalkOn {
  const hops = createFlightCache<HopUse, Credentials>({
    clock,
    keyOf: keyOfHop,
    keepFor: () => LONGEST_KEEP,
    work: assumeHop,
  });

  async function assumeHop({ request, hop, credentials, way, signal }: HopUse): Promise<Credentials> {
    const target = hopTarget(way, hop.roleArn);
    const input = hopParameters(hop, user());
    const serial = hop.mfaSerial;
    const isDirect = takesCodeItself(hop.durationSeconds, credentials);
    const sent: Sent["mfa"] = serial === undefined ? "none" : mfaOf(request.config);
    const explainIt = (error: unknown): KeyholeError =>
      explainHop(error, {
        name: request.name,
        roleArn: hop.roleArn,
        region: target.region,
        renewal: undefined,
        secrets: [credentials.secretAccessKey, credentials.sessionToken, hop.externalId],
        server: "STS",
        sent: { mfa: sent, hasExternalId: hop.externalId !== undefined, profile: hop.profile },
      });
    const send = async (by: Credentials) =>
      new Credentials((await call("AssumeRole", input, target, by, signal)).output.credentials);
    try {
      if (serial === undefined) return await send(credentials);
      const role = isDirect ? input : undefined;
      const base = { request, signal, serial, credentials, target, duration: DEVICE_SESSION, bound: undefined };
      const use = { ...base, role, isOnce: false, explain: explainIt };
      return isDirect ? new Credentials((await devices.open(use)).credentials) : await devices.withSession(use, send);
    } catch (error) {
      // What the daemon asks for is no failure.
      throw isErrorOf(error, "code-wanted", "surroundings-wanted") ? error : explainIt(error);
    }
  }

  return async (request, way, source) => {
    let { credentials } = source;
    for (const hop of source.rest)
      credentials = await hops.get({ request, hop, credentials, way, signal: request.signal });
    return { ...source, credentials };
  };
}

/** Requests that differ in nothing else ask once. */
function keyOfHop({ request, hop, credentials, way }: HopUse): string {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const { MFA, Session } = request.config;
  return new Bun.CryptoHasher("sha256")
    .update(
      JSON.stringify([hop, accessKeyId, secretAccessKey, sessionToken, way, MFA, Session, request.asksSurroundings]),
    )
    .digest("base64");
}
