// The accounts and roles of an Identity Center session, as its portal lists them for who has signed in.
// https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/welcome.html
import { KeyholeError } from "../../errors.ts";
import type { Sources } from "../../sources/resolve/profile-plan.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { CommandContext } from "../command.ts";
import { getJson, textIn } from "../web.ts";

type Context = Pick<CommandContext, "environment" | "host">;

/** A permission set in an account. */
interface AccountRole {
  readonly account: string;
  /** What the organization calls the account. */
  readonly accountName: string;
  readonly role: string;
}

/** Pages of a list: far above the accounts of an organization. */
const MOST_PAGES = 200;
/** Times that a page is asked for, where the portal is asked too often. */
const MOST_TRIES = 5;

/** @throws KeyholeError `no-source-credentials` for no such session, `person-needed` for a sign-in that is over */
export async function listAccountRoles(session: string, sources: Sources, context: Context): Promise<AccountRole[]> {
  const settings = sources.shared.signIns.get(session);
  const region = settings?.get("sso_region");
  if (region === undefined || !/^[a-z0-9-]+$/.test(region))
    throw new KeyholeError(
      "no-source-credentials",
      `there is no sso-session '${session}' with a region`,
      "aws configure sso-session",
    );
  const token = await readToken(session, sources, context);
  const portal = `https://portal.sso.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}/assignment`;
  const ask = (path: string, key: string, parameters: Readonly<Record<string, string>>) =>
    listPages(new URL(`${portal}/${path}`), key, parameters, token, session, context);
  // A page that is asked for again may have what came before.
  const found = new Map<string, AccountRole>();
  for (const account of await ask("accounts", "accountList", {})) {
    const id = textIn(account, "accountId");
    // Another text would be a line of ~/.aws/config of its own.
    if (id === undefined || !/^\d{12}$/.test(id)) continue;
    for (const each of await ask("roles", "roleList", { account_id: id })) {
      const role = textIn(each, "roleName");
      if (role !== undefined && /^[\w+=,.@-]+$/.test(role))
        found.set(`${id} ${role}`, { account: id, accountName: textIn(account, "accountName") ?? id, role });
    }
  }
  return [...found.values()];
}

/** What `aws sso login` left. */
async function readToken(session: string, { environment }: Sources, { host }: Context): Promise<string> {
  const hash = new Bun.CryptoHasher("sha1").update(session).digest("hex");
  const [text] = await host.readForeign([`${environment["HOME"]}/.aws/sso/cache/${hash}.json`]);
  if (text instanceof KeyholeError) throw text;
  const cached = parse(text ?? "");
  const token = textIn(cached, "accessToken");
  if (token === undefined || !(Date.parse(textIn(cached, "expiresAt") ?? "") > host.now())) throw signInOver(session);
  return token;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function listPages(
  url: URL,
  key: string,
  parameters: Readonly<Record<string, string>>,
  token: string,
  session: string,
  context: Context,
): Promise<unknown[]> {
  const items: unknown[] = [];
  let next: string | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const asked = new URL(url);
    const query = { ...parameters, max_result: "100", ...(next !== undefined && { next_token: next }) };
    for (const [name, value] of Object.entries(query)) asked.searchParams.set(name, value);
    const body = await askPage(asked, token, session, context);
    const list =
      typeof body === "object" && body !== null ? (body as Readonly<Record<string, unknown>>)[key] : undefined;
    if (Array.isArray(list)) items.push(...(list as unknown[]));
    next = textIn(body, "nextToken");
    if (next === undefined) return items;
  }
  throw new KeyholeError("network", `${url.host} lists without an end`, "aws sso list-accounts --help");
}

async function askPage(url: URL, token: string, session: string, context: Context): Promise<unknown> {
  for (let tries = 1; ; tries += 1) {
    const { status, body } = await getJson(url, { "x-amz-sso_bearer_token": token }, context);
    if (status === 200) return body;
    if (status === 401) throw signInOver(session);
    const isPassing = status === 429 || status >= 500;
    if (!isPassing)
      throw new KeyholeError("aws-refused", `${url.host} refuses to list (status ${status})`, loginOf(session));
    if (tries === MOST_TRIES)
      throw new KeyholeError(status === 429 ? "throttled" : "network", `${url.host} answers ${status}`);
    await context.host.wait(250 * 2 ** tries);
  }
}

function signInOver(session: string): KeyholeError {
  return new KeyholeError("person-needed", `sso-session '${session}' has no valid sign-in`, loginOf(session));
}

function loginOf(session: string): string {
  return `aws sso login --sso-session ${quotePosix(session)}`;
}

/** What is to be written to ~/.aws/config, and the profiles that the roles then have, in their order. */
interface RoleProfiles {
  /** Sections, each with its newline; empty where every role has a profile already. */
  readonly text: string;
  readonly profiles: readonly string[];
}

/**
 * A profile for each role: the one that is there, or a new one, `ACCOUNT-ROLE`.
 *
 * @param others the profiles that stand outside of what is written here
 * @param written those that were written before: a role keeps its name, because configs name the profile
 */
export function profilesOf(
  session: string,
  roles: readonly AccountRole[],
  others: Sources["shared"],
  written: Sources["shared"],
): RoleProfiles {
  const profileIn = ({ profiles }: Sources["shared"], { account, role }: AccountRole) =>
    [...profiles].find(
      ([, settings]) =>
        settings.get("sso_session") === session &&
        settings.get("sso_account_id") === account &&
        settings.get("sso_role_name") === role &&
        !settings.has("role_arn"),
    )?.[0];
  const taken = new Set([...others.profiles.keys(), ...written.profiles.keys()]);
  const sections = new Map<string, string>();
  const profiles = roles.map((each) => {
    const there = profileIn(others, each);
    if (there !== undefined) return there;
    const kept = profileIn(written, each);
    const name = kept === undefined || others.profiles.has(kept) ? freeName(each, taken) : kept;
    taken.add(name);
    const { account, role } = each;
    sections.set(
      name,
      `[profile ${name}]\nsso_session = ${session}\nsso_account_id = ${account}\nsso_role_name = ${role}\n`,
    );
    return name;
  });
  return { text: [...sections.values()].join("\n"), profiles };
}

function freeName({ account, accountName, role }: AccountRole, taken: ReadonlySet<string>): string {
  const plain = `${accountName}-${role}`.replaceAll(/[^\w.-]+/g, "-");
  let name = taken.has(plain) ? `${plain}-${account}` : plain;
  for (let count = 2; taken.has(name); count += 1) name = `${plain}-${account}-${count}`;
  return name;
}
