// A stand-in for all of AWS that a profile may lead to, behind a proxy that ends TLS for every host: STS, the portal and
// the OIDC of Identity Center, `aws login`, and on plain HTTP instance metadata and a container's credentials. It checks
// no signature: it writes down which host was asked, for what, and by whose key.
import { startProxy } from "./proxy.ts";
import { type Certificate, generateCertificate } from "./tls.ts";
import { renderResult } from "./xml.ts";

/** One question, in the words in which two clients can be compared. */
export interface Question {
  readonly host: string;
  /** `AssumeRole`, `GetRoleCredentials`, … */
  readonly action: string;
  /** The role, or what the credentials are of. */
  readonly of: string;
  /** Where they came from: a key id, or `role:NAME<-…` for one that was issued here; the proof where nothing signs. */
  readonly by: string;
  /** That the signature is for. */
  readonly region: string;
  /** Of the parameters those that a profile may set, by name. */
  readonly parameters: Readonly<Record<string, string>>;
}

export interface Aws {
  /** HTTPS_PROXY. */
  readonly proxy: string;
  /** The authority of every certificate, PEM. */
  readonly certificate: string;
  /** For AWS_EC2_METADATA_SERVICE_ENDPOINT, and below `/container` for AWS_CONTAINER_CREDENTIALS_FULL_URI. */
  readonly machine: string;
  readonly questions: Question[];
  /** Every host that was connected to, in order. */
  readonly hosts: readonly string[];
  /** Answers by itself, where it gives an answer: a refusal, silence. */
  intercept: ((question: Question) => Response | undefined | Promise<Response | undefined>) | undefined;
  /** What the portal lists. */
  assignments: readonly {
    readonly accountId: string;
    readonly accountName: string;
    readonly roles: readonly string[];
  }[];
  stop(): Promise<void>;
}

/** Every place below which a test has hosts; a certificate's `*` stands for one label. */
const REGIONS =
  "us-east-1 us-east-2 us-west-1 us-west-2 eu-west-1 eu-central-1 eu-north-1 ap-northeast-1 us-gov-west-1".split(" ");
const NAMES = [
  "*.amazonaws.com",
  "*.signin.aws.amazon.com",
  "*.cn-north-1.amazonaws.com.cn",
  "portal.sso.cn-north-1.amazonaws.com.cn",
  "*.eusc-de-east-1.amazonaws.eu",
  "*.example.test",
  ...REGIONS.flatMap((region) => [
    `*.${region}.amazonaws.com`,
    `portal.sso.${region}.amazonaws.com`,
    `portal.sso-fips.${region}.amazonaws.com`,
    `*.${region}.api.aws`,
  ]),
];

let shared: Certificate | undefined;

export async function startAws(): Promise<Aws> {
  shared ??= generateCertificate(NAMES);
  const issued = new Map<string, string>();
  const questions: Question[] = [];
  const aws = { intercept: undefined as Aws["intercept"], assignments: [] as Aws["assignments"] };

  /** Keys of which the key id says where they came from. */
  function issue(lineage: string) {
    const accessKeyId = `ASIA${String(issued.size + 1).padStart(16, "0")}`;
    issued.set(accessKeyId, lineage);
    const [secretAccessKey, sessionToken] = ["wJalrXUtnFEMI/K7MDENG+EXAMPLEKEY=", `token-${accessKeyId}`];
    return { accessKeyId, secretAccessKey, sessionToken, expiration: new Date(Date.now() + 3_600_000) };
  }

  async function ask(question: Question, answer: () => Response): Promise<Response> {
    questions.push(question);
    return (await aws.intercept?.(question)) ?? answer();
  }

  async function serve(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const host = request.headers.get("host")?.replace(/:443$/, "") ?? url.host;
    const text = await request.text();
    if (url.pathname === "/federation/credentials") return servePortal(host, url, request);
    if (url.pathname.startsWith("/assignment/")) return serveAssignments(host, url, request);
    if (url.pathname === "/token" || url.pathname === "/v1/token") return serveToken(host, url.pathname, text);
    return serveQuery(host, new URLSearchParams(text === "" ? url.search : text), request);
  }

  function serveQuery(host: string, asked: URLSearchParams, request: Request): Promise<Response> {
    const action = asked.get("Action") ?? "";
    const [, key, region = ""] =
      /Credential=([^/]+)\/\d+\/([\w-]+)\//.exec(request.headers.get("authorization") ?? "") ?? [];
    const token = asked.get("WebIdentityToken");
    const by = token === null ? (issued.get(key ?? "") ?? key ?? "nobody") : `jwt:${token.trim()}`;
    const parameters = Object.fromEntries(
      SETTABLE.flatMap((name) => (asked.has(name) ? [[name, asked.get(name)!]] : [])),
    );
    const roleArn = asked.get("RoleArn");
    const role = roleArn?.slice(roleArn.lastIndexOf("/") + 1) ?? "";
    return ask({ host, action, of: roleArn ?? "", by, region, parameters }, () => {
      if (action === "GetCallerIdentity")
        return xml(action, {
          UserId: by,
          Account: "111122223333",
          Arn: `arn:aws:sts::111122223333:assumed-role/${by}/s`,
        });
      const { accessKeyId, secretAccessKey, sessionToken, expiration } = issue(`${role || action}<-${by}`);
      return xml(action, {
        Credentials: {
          AccessKeyId: accessKeyId,
          SecretAccessKey: secretAccessKey,
          SessionToken: sessionToken,
          Expiration: expiration.toISOString(),
        },
        ...(roleArn === null
          ? {}
          : {
              AssumedRoleUser: {
                AssumedRoleId: "AROAEXAMPLE:session",
                Arn: `arn:aws:sts::111122223333:assumed-role/${role}/session`,
              },
            }),
      });
    });
  }

  function servePortal(host: string, url: URL, request: Request): Promise<Response> {
    const of = `${url.searchParams.get("account_id")}/${url.searchParams.get("role_name")}`;
    const by = request.headers.get("x-amz-sso_bearer_token") ?? "";
    return ask({ host, action: "GetRoleCredentials", of, by, region: "", parameters: {} }, () => {
      const { expiration, ...keys } = issue(`sso:${of}<-${by}`);
      return Response.json({ roleCredentials: { ...keys, expiration: expiration.getTime() } });
    });
  }

  /** Pages of two. */
  function serveAssignments(host: string, url: URL, request: Request): Promise<Response> {
    const by = request.headers.get("x-amz-sso_bearer_token") ?? "";
    const [account, from] = [url.searchParams.get("account_id"), Number(url.searchParams.get("next_token") ?? 0)];
    const action = account === null ? "ListAccounts" : "ListAccountRoles";
    return ask({ host, action, of: account ?? "", by, region: "", parameters: {} }, () => {
      const all =
        account === null
          ? aws.assignments.map(({ accountId, accountName }) => ({ accountId, accountName }))
          : aws.assignments
              .filter(({ accountId }) => accountId === account)
              .flatMap(({ accountId, roles }) => roles.map((roleName) => ({ roleName, accountId })));
      const nextToken = from + 2 < all.length ? String(from + 2) : null;
      return Response.json({ [account === null ? "accountList" : "roleList"]: all.slice(from, from + 2), nextToken });
    });
  }

  function serveToken(host: string, path: string, text: string): Promise<Response> {
    const { refreshToken = "" } = JSON.parse(text) as { refreshToken?: string };
    const of = path === "/token" ? "Identity Center" : "aws login";
    return ask({ host, action: "CreateToken", of, by: refreshToken, region: "", parameters: {} }, () => {
      if (path === "/token")
        return Response.json({
          accessToken: `fresh-${refreshToken}`,
          expiresIn: 28_800,
          refreshToken: `${refreshToken}+`,
        });
      const { expiration: _, ...accessToken } = issue(`login<-${refreshToken}`);
      return Response.json({ accessToken, tokenType: "aws_sigv4", expiresIn: 900, refreshToken: `${refreshToken}+` });
    });
  }

  function serveMachine(request: Request): Response {
    const { pathname } = new URL(request.url);
    if (request.method === "PUT") return new Response("metadata-token", { headers: TOKEN_TTL });
    const isContainer = pathname.startsWith("/container");
    if (!isContainer && !pathname.includes("/security-credentials/")) return new Response("", { status: 404 });
    if (pathname.endsWith("/security-credentials/")) return new Response("host-role");
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = issue(isContainer ? "container" : "instance");
    return Response.json({
      Code: "Success",
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      Token: sessionToken,
      Expiration: expiration.toISOString().replace(/\.\d+Z/, "Z"),
    });
  }

  const options = { hostname: "127.0.0.1", port: 0, idleTimeout: 0, development: false } as const;
  const server = Bun.serve({ ...options, tls: shared, fetch: serve });
  const machine = Bun.serve({ ...options, fetch: serveMachine });
  const proxy = await startProxy({ upstream: `http://127.0.0.1:${server.port}` });
  return Object.assign(aws, {
    proxy: proxy.url,
    certificate: shared.cert,
    machine: `http://127.0.0.1:${machine.port}`,
    questions,
    hosts: proxy.targets,
    stop: async () => {
      await proxy.stop();
      await Promise.all([server.stop(true), machine.stop(true)]);
    },
  });
}

const SETTABLE = ["ExternalId", "DurationSeconds", "RoleSessionName", "SerialNumber", "TokenCode"];
const TOKEN_TTL = { "x-aws-ec2-metadata-token-ttl-seconds": "21600" };

function xml(action: string, result: Parameters<typeof renderResult>[1]): Response {
  return new Response(renderResult(action, result, "request"), {
    headers: { "content-type": "text/xml", date: new Date().toUTCString() },
  });
}

/** An error of STS's, as it is written. @param ahead milliseconds by which AWS's clock is ahead */
export function refusal(code: string, message: string, status = 403, ahead = 0): Response {
  const body = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;
  const date = new Date(Date.now() + ahead).toUTCString();
  return new Response(body, { status, headers: { "content-type": "text/xml", date } });
}
