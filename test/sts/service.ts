// One call, from the request to the answer: record, faults, signature, action.
import { type Request as ActionRequest, signedActions, unsignedActions } from "./actions.ts";
import type { Ending } from "./calls.ts";
import { claimedKeyId, type SignedRequest } from "./claim.ts";
import { StsError } from "./error.ts";
import type { Effects } from "./faults.ts";
import type { Key } from "./issuer.ts";
import { type Parameters, parseParameters } from "./query.ts";
import { cutBefore, cutMidway, failureOf, garbageBody, holdUp, respond } from "./respond.ts";
import { verifySignature } from "./signature.ts";
import type { State } from "./state.ts";
import { API_VERSION, renderError, renderResult } from "./xml.ts";

/** Largest request, in bytes; the largest real one is a web identity token and a policy. */
const LARGEST_BODY = 128 * 1024;

export async function serveCall(state: State, request: Request): Promise<Response> {
  const signed = await readRequest(request);
  const form = request.method === "POST" ? new TextDecoder().decode(signed.body) : signed.query;
  const parameters = parseParameters(form);
  const kind = {
    action: parameters.get("Action") ?? "",
    roleArn: parameters.get("RoleArn"),
    accessKeyId: claimedKeyId(signed),
  };
  const userAgent = request.headers.get("user-agent") ?? "";
  const end = state.calls.begin({ ...kind, parameters, at: state.trueNow(), userAgent });
  const effects = state.faults.take(kind);
  try {
    await holdUp(effects, state.faults.cleared(), request.signal);
  } catch {
    end({ outcome: "aborted" });
    return cutBefore();
  }
  const { response, ending } = answer(state, signed, parameters, effects);
  end(ending);
  return response;
}

async function readRequest(request: Request): Promise<SignedRequest> {
  const body = await request.bytes();
  const start = request.url.indexOf("?");
  const query = start < 0 ? "" : request.url.slice(start + 1);
  return { method: request.method, query, headers: request.headers, body };
}

interface Answered {
  readonly response: Response;
  readonly ending: Ending;
}

function answer(state: State, signed: SignedRequest, parameters: Parameters, effects: Effects): Answered {
  const requestId = crypto.randomUUID();
  if (effects.cut === "before") return { response: cutBefore(), ending: { outcome: "cut" } };
  let caller: { key: Key; region: string } | undefined;
  try {
    if (effects.fail !== undefined) throw failureOf(effects.fail);
    if (effects.garbage !== undefined) {
      const response = respond(garbageBody(effects.garbage), 200, requestId, state.now());
      return { response, ending: { outcome: "garbage" } };
    }
    checkRequest(signed, parameters);
    const action = parameters.get("Action")!;
    const request: ActionRequest = { state, parameters, omitExpiration: effects.omitExpiration === true };
    caller = Object.hasOwn(unsignedActions, action) ? undefined : verify(state, signed);
    const { issued, result } = caller ? signedActions[action]!(request, caller.key) : unsignedActions[action]!(request);
    const body = renderResult(action, result, requestId);
    const isCut = effects.cut === "midway";
    return {
      response: isCut ? cutMidway(body) : respond(body, 200, requestId, state.now()),
      ending: { outcome: isCut ? "cut" : "ok", issuedKeyId: issued?.accessKeyId, ...identityOf(caller) },
    };
  } catch (error) {
    const refusal = error instanceof StsError ? error : new StsError("InternalFailure", String(error), 500);
    const response = respond(renderError(refusal, requestId), refusal.status, requestId, state.now());
    return { response, ending: { outcome: refusal.code, ...identityOf(caller) } };
  }
}

function verify(state: State, signed: SignedRequest): { key: Key; region: string } {
  const findKey = (accessKeyId: string) => state.issuer.keys.get(accessKeyId);
  return verifySignature(signed, { now: state.now(), region: state.options.region, findKey });
}

function identityOf(caller: { key: Key; region: string } | undefined): Pick<Ending, "arn" | "region"> {
  return { arn: caller?.key.arn, region: caller?.region };
}

function checkRequest({ method, body }: SignedRequest, parameters: Parameters): void {
  if (method !== "POST" && method !== "GET") {
    throw new StsError("InvalidHttpMethod", `${method} is not supported`, 405);
  }
  if (body.length > LARGEST_BODY) throw new StsError("RequestEntityTooLarge", "Request entity is too large", 413);
  const action = parameters.get("Action");
  if (action === undefined) throw new StsError("MissingAction", "The request must contain the parameter Action");
  const version = parameters.get("Version");
  if (version !== API_VERSION || !(Object.hasOwn(signedActions, action) || Object.hasOwn(unsignedActions, action))) {
    const named = version ?? "NO_VERSION_SPECIFIED";
    throw new StsError("InvalidAction", `Could not find operation ${action} for version ${named}`);
  }
}
