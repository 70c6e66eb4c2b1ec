// The server's own HTTP interface, under /_control/, by which another process steers it: JSON in, JSON out. Calls to
// it are not recorded and no fault touches them.
import type { Fault } from "./faults.ts";
import type { MfaDevice } from "./mfa.ts";
import type { RoleDefinitions } from "./roles.ts";
import type { State } from "./state.ts";

/** `METHOD name` → what it does. */
const routes: Readonly<Record<string, (state: State, request: Request) => unknown>> = {
  /** All calls, or those of `?action=`. */
  "GET calls": (state, request) => {
    const action = new URL(request.url).searchParams.get("action");
    return state.calls.all.filter((call) => action === null || call.action === action);
  },
  /** `{count, peak}`; the count of all, or of `?action=` and `?roleArn=`. */
  "GET count": (state, request) => {
    const { action, ...match } = Object.fromEntries(new URL(request.url).searchParams);
    return { count: state.calls.count(action, match), peak: state.calls.peak };
  },
  /** Who a key id belongs to, without its secrets; `null` if nobody. */
  "GET issued": (state, request) => {
    const key = state.issuer.keys.get(new URL(request.url).searchParams.get("accessKeyId") ?? "");
    if (key === undefined) return null;
    const { secretAccessKey: _secret, sessionToken: _token, tags, transitiveTags: _transitive, ...shown } = key;
    return { ...shown, tags: Object.fromEntries(tags) };
  },
  /** Adds one fault. */
  "POST faults": async (state, request) => state.faults.add((await request.json()) as Fault),
  "DELETE faults": (state) => state.faults.clear(),
  /** `{offset}` in milliseconds. */
  "POST clock": async (state, request) => {
    state.clockOffset = ((await request.json()) as { offset: number }).offset;
  },
  /** `{ARN: definition}`; other roles stay as they are. */
  "POST roles": async (state, request) => {
    const roles = (await request.json()) as RoleDefinitions;
    for (const [arn, role] of Object.entries(roles)) state.roles.set(arn, role);
  },
  "POST mfa": async (state, request) => {
    state.mfa.device = (await request.json()) as MfaDevice;
  },
  "POST reset": (state) => state.reset(),
};

export async function serveControl(state: State, request: Request): Promise<Response> {
  const name = `${request.method} ${new URL(request.url).pathname.slice("/_control/".length)}`;
  const route = routes[name];
  if (route === undefined) {
    return Response.json({ error: `no ${name}`, routes: Object.keys(routes) }, { status: 404 });
  }
  try {
    return Response.json((await route(state, request)) ?? null);
  } catch (error) {
    return Response.json({ error: String(error) }, { status: 400 });
  }
}
