// Source credentials, out of what profile-plan.ts found: asked, run or read, and the roles on the way assumed. Runs in the
// child process, whose environment is the requester's: the SDK's providers read that.
import { Credentials } from "../../credentials.ts";
import type { Clock } from "../../clock.ts";
import { KeyholeError } from "../../errors.ts";
import { readForeign } from "../../files/foreign.ts";
import { createDirectTransport } from "../sts/direct.ts";
import { createHandler } from "../sts/handler.ts";
import { type HelperSetting, runHelper } from "../helper.ts";
import { type ResolvedSource, UNSIGNED } from "../given-keys.ts";
import { readToken } from "./token.ts";
import { defaultSessionName, hopParameters } from "../sts/parameters.ts";
import { describePlan, empty, type Hop, type Place, type Plan, renewalOf } from "./profile-plan.ts";
import { DEFAULT_PROFILE, type SharedConfig, textOfSignIn } from "./profile.ts";
import { explainHop } from "../sts/refusal.ts";
import { explainProvider, signInOver } from "./provider-failure.ts";
import { type SignIn, useSignIn } from "./sign-in.ts";
import type { SourceEnvironment } from "../source.ts";
import { hopTarget, type Way } from "../sts/target.ts";
import { surroundingsWanted } from "../../surroundings.ts";
import type { Operations } from "../sts/transport.ts";

export interface WalkContext {
  /** The config's name, for what is said to a person. */
  readonly name: string;
  /** For the names of sessions on the way. */
  readonly user: string;
  /** Undefined: none was named. */
  readonly profile: string | undefined;
  /** Must be what `process.env` holds: the SDK reads that. */
  readonly environment: SourceEnvironment;
  readonly shared: SharedConfig;
  readonly way: Way;
  readonly clock: Clock;
  readonly helper: HelperSetting | undefined;
  readonly asksSurroundings: boolean;
  readonly timeout: number;
  /** Told whose answer is waited for, for the case that there is none; and of a helper, how many milliseconds it has. */
  readonly waitsFor: (what: string, more?: number) => void;
}

/** Whatever a provider of the SDK gives. */
interface Provided {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
  readonly accountId?: string | undefined;
}

/** @throws KeyholeError `no-source-credentials`, `person-needed`, `credential-loop`, `aws-refused`, `throttled`, `network`. */
export async function walk(plan: Plan, context: WalkContext): Promise<ResolvedSource> {
  const { place, hops } = plan;
  let credentials = await obtain(place, context);
  const asking = hops.findIndex(({ mfaSerial }) => mfaSerial !== undefined);
  const before = asking === -1 ? hops : hops.slice(0, asking);
  for (const hop of before) credentials = await assume(hop, credentials, context);
  return {
    credentials,
    description: describePlan(plan, context.profile),
    chained: hops.length > 0 || place.kind === "web-identity" || place.kind === "sso",
    renewal: renewalOf(place),
    rest: hops.slice(before.length),
    notes: [],
  };
}

async function obtain(place: Place, context: WalkContext): Promise<Credentials> {
  const { environment, waitsFor } = context;
  const { profile = DEFAULT_PROFILE } = place;
  switch (place.kind) {
    case "keys":
      return new Credentials({
        accessKeyId: place.accessKeyId,
        secretAccessKey: place.secretAccessKey,
        sessionToken: place.token,
      });
    case "environment":
      return new Credentials({
        accessKeyId: environment["AWS_ACCESS_KEY_ID"] ?? "",
        secretAccessKey: environment["AWS_SECRET_ACCESS_KEY"] ?? "",
        sessionToken: environment["AWS_SESSION_TOKEN"],
      });
    case "process": {
      const what = `the credential_process of profile '${profile}'`;
      if (context.asksSurroundings) throw surroundingsWanted(what);
      waitsFor(what, context.timeout);
      return runHelper(place.command, profile, context);
    }
    case "web-identity":
      waitsFor(`STS, which is shown the web identity of ${place.tokenFile}`);
      return assumeWithToken(place, context);
    case "sso": {
      waitsFor(`the sign-in of profile '${profile}'`);
      const { fromSSO } = await import("@aws-sdk/credential-provider-sso");
      await tellSdk(context, profile);
      return useSignIn(signInOf(place, context), refusalOf(place), async (home) => {
        if (home !== undefined) process.env["HOME"] = home;
        return provided(place, context, (clientConfig) => fromSSO({ profile: DEFAULT_PROFILE, clientConfig })());
      });
    }
    case "login": {
      waitsFor(`the sign-in of profile '${profile}'`);
      const { fromLoginCredentials } = await import("@aws-sdk/credential-provider-login");
      await tellSdk(context, profile);
      return useSignIn(signInOf(place, context), refusalOf(place), async (directory) => {
        if (directory !== undefined) process.env["AWS_LOGIN_CACHE_DIRECTORY"] = directory;
        return provided(place, context, (clientConfig) =>
          fromLoginCredentials({ profile: DEFAULT_PROFILE, clientConfig })(),
        );
      });
    }
    case "container": {
      waitsFor("the container's credentials");
      const { fromHttp } = await import("@aws-sdk/credential-provider-http");
      const token = await readContainerToken(environment);
      return provided(place, context, () => fromHttp(token)());
    }
    case "instance":
      break;
  }
  waitsFor("the instance's metadata");
  return askInstance(context);
}

/** No names of files: what `tellSdk` says stands there for the SDK. */
const FILES = { AWS_CONFIG_FILE: "/keyhole/config", AWS_SHARED_CREDENTIALS_FILE: "/keyhole/credentials" };

/**
 * The profile in place of the files and the variables that name another: the SDK's reader knows no name with a space, and
 * its clients would go by the default profile's FIPS, dual-stack and endpoints.
 */
async function tellSdk({ shared, profile: outer = DEFAULT_PROFILE }: WalkContext, profile: string): Promise<void> {
  const { externalDataInterceptor } = await import("@smithy/core/config");
  externalDataInterceptor.interceptFile(FILES.AWS_CONFIG_FILE, textOfSignIn(shared, profile, outer));
  externalDataInterceptor.interceptFile(FILES.AWS_SHARED_CREDENTIALS_FILE, "");
  Object.assign(process.env, FILES);
  delete process.env["AWS_PROFILE"];
  delete process.env["AWS_DEFAULT_PROFILE"];
}

/** Where the SDK finds it. */
function signInOf(
  { kind, session, profile = DEFAULT_PROFILE }: Extract<Place, { kind: "sso" | "login" }>,
  { environment, clock }: WalkContext,
): SignIn {
  const hash = kind === "sso" ? "sha1" : "sha256";
  const below = kind === "sso" ? ".aws/sso/cache/" : "";
  const home = environment["HOME"];
  return {
    cache:
      kind === "sso"
        ? `${home}/.aws/sso/cache`
        : (environment["AWS_LOGIN_CACHE_DIRECTORY"] ?? `${home}/.aws/login/cache`),
    file: `${new Bun.CryptoHasher(hash).update(session).digest("hex")}.json`,
    below,
    what: `the sign-in of profile '${profile}'`,
    clock,
  };
}

function refusalOf(place: Place): () => KeyholeError {
  return () => signInOver(place.profile ?? DEFAULT_PROFILE, place);
}

/** Told to the SDK as text, so that it reads no file. */
async function readContainerToken(environment: SourceEnvironment): Promise<object> {
  const path = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
  const awsContainerAuthorizationToken = path === undefined ? undefined : await readForeign(path);
  if (awsContainerAuthorizationToken === undefined) return {};
  return { awsContainerAuthorizationToken, awsContainerAuthorizationTokenFile: "" };
}

async function askInstance({ profile }: WalkContext): Promise<Credentials> {
  const { fromInstanceMetadata } = await import("@smithy/credential-provider-imds");
  try {
    return fieldsOf(await fromInstanceMetadata()());
  } catch {
    throw empty(profile, "does not answer");
  }
}

/** Asks a provider of the SDK, which gets our way to AWS. */
async function provided(
  place: Place,
  context: WalkContext,
  ask: (clientConfig: object) => Promise<Provided>,
): Promise<Credentials> {
  const { clock, way } = context;
  let failure: unknown;
  let status = 0;
  const requestHandler = createHandler({
    clock,
    tls: { enabled: true, verify: true, ca: way.ca, extraCa: way.extraCa },
    proxies: way.proxies,
    // The provider tells of its failures in words alone.
    onFailure: (latest) => (failure = latest),
    onAnswer: (_, latest) => {
      failure = undefined;
      status = latest;
    },
  });
  try {
    return fieldsOf(await ask({ requestHandler, maxAttempts: 2 }));
  } catch (error) {
    throw explainProvider(failure ?? error, place, context, status);
  }
}

function fieldsOf({ expiration, ...fields }: Provided): Credentials {
  return new Credentials({
    accessKeyId: fields.accessKeyId,
    secretAccessKey: fields.secretAccessKey,
    sessionToken: fields.sessionToken,
    expiresAt: expiration?.getTime(),
    accountId: fields.accountId,
  });
}

async function assume(hop: Hop, credentials: Credentials, context: WalkContext): Promise<Credentials> {
  const { profile, roleArn, externalId } = hop;
  context.waitsFor(`STS, for the role of profile '${profile}'`);
  const input = hopParameters(hop, context.user);
  return call("AssumeRole", input, { roleArn, credentials, profile, secrets: [externalId] }, context);
}

/** The token is read anew each time: its maker replaces it before it ends. */
async function assumeWithToken(
  { roleArn, tokenFile, sessionName, profile }: Extract<Place, { kind: "web-identity" }>,
  context: WalkContext,
): Promise<Credentials> {
  const token = await readToken(tokenFile);
  const input = {
    RoleArn: roleArn,
    RoleSessionName: sessionName ?? defaultSessionName(context.user, profile ?? "web-identity"),
    WebIdentityToken: token,
  };
  return call(
    "AssumeRoleWithWebIdentity",
    input,
    { roleArn, credentials: UNSIGNED, profile, secrets: [token] },
    context,
  );
}

interface CallFor {
  readonly roleArn: string;
  readonly credentials: Credentials;
  readonly profile: string | undefined;
  readonly secrets: readonly (string | undefined)[];
}

async function call<Name extends "AssumeRole" | "AssumeRoleWithWebIdentity">(
  name: Name,
  input: Operations[Name]["input"],
  { roleArn, credentials, profile, secrets }: CallFor,
  { name: config, way, clock }: WalkContext,
): Promise<Credentials> {
  const target = hopTarget(way, roleArn);
  try {
    const caller = { target, credentials, skew: 0 };
    const { output } = await createDirectTransport({ clock }).send(name, input, caller, new AbortController().signal);
    return new Credentials(output.credentials);
  } catch (error) {
    throw explainHop(error, {
      name: config,
      roleArn,
      region: target.region,
      renewal: undefined,
      secrets: [credentials.secretAccessKey, credentials.sessionToken, ...secrets],
      server: "STS",
      sent: { mfa: "none", hasExternalId: secrets.some((secret) => secret !== undefined), profile },
    });
  }
}
