// What the tests find on the gateway: a user whose long-term keys are keyhole's source credentials, a role that it may
// assume, and a bucket.
import { S3Client } from "bun";
import type { Cluster } from "./ceph.ts";
import type { Provider } from "./provider.ts";
import { must } from "./run.ts";

/** The source credentials, as variables of the environment. */
export const source = { AWS_ACCESS_KEY_ID: "AKIASOURCEEXAMPLE", AWS_SECRET_ACCESS_KEY: "source-secret-of-the-rig" };

/** RGW's role ARNs have no account. */
export const roleArn = "arn:aws:iam:::role/demo";

/** Which a session of that role may assume. */
export const nextRoleArn = "arn:aws:iam:::role/next";

export const bucket = "interop";

export async function makeAccount(cluster: Cluster): Promise<void> {
  const keys = ["--access-key", source.AWS_ACCESS_KEY_ID, "--secret-key", source.AWS_SECRET_ACCESS_KEY];
  await cluster.admin("user", "create", "--uid", "source", "--display-name", "source", ...keys);
  const trust = { Effect: "Allow", Principal: { AWS: ["arn:aws:iam:::user/source"] }, Action: ["sts:AssumeRole"] };
  const role = ["--role-name", "demo"];
  await cluster.admin("role", "create", ...role, "--assume-role-policy-doc", policy(trust));
  await cluster.admin("role-policy", "put", ...role, "--policy-name", "s3", "--policy-doc", policy(everything));
  // A session of it may read roles, and take another one.
  const roles = policy({
    Effect: "Allow",
    Action: ["iam:GetRole", "sts:AssumeRole"],
    Resource: "arn:aws:iam:::role/*",
  });
  await cluster.admin("role-policy", "put", ...role, "--policy-name", "roles", "--policy-doc", roles);
  const chained = { Effect: "Allow", Principal: { AWS: [roleArn] }, Action: ["sts:AssumeRole"] };
  await cluster.admin("role", "create", "--role-name", "next", "--assume-role-policy-doc", policy(chained));
  await makeBucket(cluster);
}

const everything = { Effect: "Allow", Action: "s3:*", Resource: "arn:aws:s3:::*" };

export function policy(statement: object): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
}

/** Bun's client makes no buckets, but it signs one as an object at the root of a host that is the bucket's. */
async function makeBucket(cluster: Cluster): Promise<void> {
  const client = new S3Client({ ...signer(source), endpoint: cluster.endpoint, virtualHostedStyle: true });
  const answer = await fetch(client.presign(bucket, { method: "PUT" }), { method: "PUT" });
  if (!answer.ok) throw new Error(`the bucket was not made: ${answer.status} ${await answer.text()}`);
}

type Signer =
  typeof source | { readonly AccessKeyId: string; readonly SecretAccessKey: string; readonly SessionToken: string };

/** The keys in the bucket, as seen by an S3 client that is none of those under test. */
export async function keysOf(cluster: Cluster, credentials: Signer): Promise<string[]> {
  const client = new S3Client({ ...signer(credentials), endpoint: cluster.endpoint, bucket });
  return (await client.list()).contents?.map((item) => item.key) ?? [];
}

function signer(credentials: Signer) {
  const region = "us-east-1";
  if (!("SessionToken" in credentials)) {
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = credentials;
    return { accessKeyId, secretAccessKey, region };
  }
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = credentials;
  return { accessKeyId, secretAccessKey, sessionToken, region };
}

export const webRoleArn = "arn:aws:iam:::role/web";

/** A role for whoever has a token of the provider for this audience. */
export async function trustProvider(
  cluster: Cluster,
  { issuer, thumbprint }: Provider,
  audience: string,
): Promise<void> {
  await cluster.admin("caps", "add", "--uid", "source", "--caps", "oidc-provider=*");
  const form = { Action: "CreateOpenIDConnectProvider", Url: issuer };
  const lists = { "ThumbprintList.member.1": thumbprint, "ClientIDList.member.1": audience };
  const data = Object.entries({ ...form, ...lists }).flatMap(([name, value]) => [
    "--data-urlencode",
    `${name}=${value}`,
  ]);
  const keys = `${source.AWS_ACCESS_KEY_ID}:${source.AWS_SECRET_ACCESS_KEY}`;
  const signed = ["--aws-sigv4", "aws:amz:us-east-1:iam", "--user", keys];
  await must(
    ["/usr/bin/curl", "--silent", "--show-error", "--fail-with-body", ...signed, ...data, cluster.endpoint],
    {},
  );
  const name = issuer.replace("http://", "");
  const trust = {
    Effect: "Allow",
    Principal: { Federated: [`arn:aws:iam:::oidc-provider/${name}`] },
    Action: ["sts:AssumeRoleWithWebIdentity"],
    Condition: { StringEquals: { [`${name}:app_id`]: audience } },
  };
  const role = ["--role-name", "web"];
  await cluster.admin("role", "create", ...role, "--assume-role-policy-doc", policy(trust));
  await cluster.admin("role-policy", "put", ...role, "--policy-name", "s3", "--policy-doc", policy(everything));
}
