// The texts in a grant's directory, by which every SDK in a sandbox finds the grant and nothing else. No secret is among
// them. Pure.
import { formatAwsConfig } from "../text/awsconfig.ts";
import { rivals } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { readServices } from "../signer/services.ts";
import { type Grant, HOST_MOUNT } from "./grant.ts";

/** What of a grant decides about the texts. */
export type MountedGrant = Pick<Grant, "name" | "deliver" | "mountAt" | "executable" | "sign" | "dummy">;

/** What is known when the directory is made. */
interface MountOptions {
  /** The host's path of the directory. */
  readonly directory: string;
  /** The region that the config names, if it does. */
  readonly region: string | undefined;
  /** The words that start keyhole where the executable is not in the directory; `keyhole` on the PATH if absent. */
  readonly command?: readonly string[] | undefined;
}

/** Texts by the names of their files. */
interface MountFiles {
  readonly "aws-config": string;
  /** Empty: shadows a `~/.aws/credentials` that was baked into an image. */
  readonly credentials: "";
  /** For `docker run --env-file`, which takes every value as it is: no quotes. */
  readonly env: string;
}

/** A path that some reader would cut or misread is refused: AWS documents these characters for credential_process. */
const MOUNT_PATH = /^(?:\/[A-Za-z0-9\-_.](?:[A-Za-z0-9\-_. ]*[A-Za-z0-9\-_.])?)+$/;
/** Bytes. A socket below it must fit into the kernel's 104 to 108. */
const MOUNT_PATH_LIMIT = 200;

/** @throws KeyholeError `usage`, without the path. */
export function checkMountPath(path: string, option = "--mount-at"): string {
  const isPath = path.length <= MOUNT_PATH_LIMIT && MOUNT_PATH.test(path) && !/\/\.{1,2}(?:\/|$)/.test(path);
  if (isPath || path === HOST_MOUNT) return path;
  throw new KeyholeError(
    "usage",
    `${option} must be ${HOST_MOUNT} or an absolute path of at most ${MOUNT_PATH_LIMIT} letters, digits, spaces or -_./, without .. and without a / at its end`,
    "keyhole grant add --help",
  );
}

/** Where the sandbox sees the directory. */
export function seenAt({ mountAt }: Pick<Grant, "mountAt">, directory: string): string {
  return mountAt === HOST_MOUNT ? directory : mountAt;
}

/** @throws KeyholeError `usage` for a host directory whose path no `credential_process` can say. */
export function mountFiles(grant: MountedGrant, { directory, region, command }: MountOptions): MountFiles {
  const seen = seenAt(grant, directory);
  const { sign, dummy } = grant;
  const config =
    sign === undefined || dummy === undefined
      ? {
          comment: `Written by keyhole for the grant ${grant.name}; holds no secret.`,
          process: processOf(grant, seen, command),
        }
      : {
          comment: `Written by keyhole for the grant ${grant.name}; these keys are good for nothing else.`,
          process: undefined,
          ...signingSettings(dummy, sign.port),
        };
  return {
    "aws-config": formatAwsConfig({ ...config, region }),
    credentials: "",
    env: Object.entries(grantVariables(seen, grant))
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
  };
}

/**
 * Each service at a path of its own on the sandbox's loopback, where `keyhole relay` carries it to the grant. Nothing may
 * go into the host's name: a prefix, an account or a bucket before `127.0.0.1` would be another host.
 */
function signingSettings({ accessKeyId, secretAccessKey }: NonNullable<Grant["dummy"]>, port: number) {
  // Two of AWS's models have one name; a name that stands twice is an error to botocore.
  const prefixes = new Map(
    readServices()
      .values()
      .map(({ id, prefix }) => [id, prefix]),
  );
  const endpoints = [...prefixes].map(
    ([id, prefix]) => `${id} =\n  endpoint_url = http://127.0.0.1:${port}/${prefix}\n`,
  );
  const settings = [
    `aws_access_key_id = ${accessKeyId}`,
    `aws_secret_access_key = ${secretAccessKey}`,
    "services = keyhole",
    "disable_host_prefix_injection = true",
    "account_id_endpoint_mode = disabled",
    "s3 =\n  addressing_style = path",
  ];
  return { settings: `${settings.join("\n")}\n`, others: `\n[services keyhole]\n${endpoints.join("")}` };
}

/**
 * What an SDK runs. The executable needs no argument: it finds `sock` beside itself. Without it the image has a keyhole
 * on its PATH, or a second mount puts one there; it is given the socket, and no name: a grant
 * socket takes none. `cat` without a directory, because not every image has it in the same one.
 */
function processOf(
  { deliver, executable }: MountedGrant,
  seen: string,
  command: readonly string[] = ["keyhole"],
): readonly string[] {
  if (deliver === "file") return ["cat", `${seen}/lease.json`];
  if (executable !== "none") return [`${seen}/keyhole`];
  return [...command, "--socket-path", `${seen}/sock`, "export", "--format", "credential-process"];
}

/**
 * Rivals that are not set to nothing. The profiles: botocore takes an empty one for the name of a profile. The names of
 * a role: without a token file no SDK uses them, and the one for Ruby takes an empty one for a role, and then fails. The
 * last is read by no SDK.
 */
const LEFT_ALONE: ReadonlySet<string> = new Set([
  "AWS_PROFILE",
  "AWS_DEFAULT_PROFILE",
  "AWS_ROLE_ARN",
  "AWS_ROLE_SESSION_NAME",
  "AWS_CREDENTIAL_PROCESS",
]);

/**
 * What a sandbox's environment needs, in the order in which a person reads it. An empty variable counts as unset for the
 * SDKs (botocore 1.43 looks at whether AWS_CONTAINER_* and AWS_CREDENTIAL_FILE are there, but only after the profile,
 * whose failure it does not pass over), and takes the place of one that the image or the pod has.
 *
 * @param seen where the sandbox sees the directory
 */
export function grantVariables(seen: string, { deliver }: Pick<Grant, "deliver">): Readonly<Record<string, string>> {
  const empty = rivals.filter((name) => !LEFT_ALONE.has(name)).map((name) => [name, ""] as const);
  return {
    AWS_CONFIG_FILE: `${seen}/aws-config`,
    AWS_SHARED_CREDENTIALS_FILE: `${seen}/credentials`,
    // Fail closed: no instance's role where the grant does not answer.
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_PROFILE: "default",
    // botocore looks at it before the other.
    AWS_DEFAULT_PROFILE: "default",
    // Go SDK v1 and JavaScript SDK v2 read no config file without it.
    AWS_SDK_LOAD_CONFIG: "1",
    // A keyhole of the image that finds no socket must not start a daemon, which might find another identity.
    KEYHOLE_AUTOSTART: "0",
    ...Object.fromEntries(empty),
    // Else the SDKs look past the file for their endpoints, or write a prefix before them.
    ...(deliver === "sign" && {
      AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "false",
      AWS_DISABLE_HOST_PREFIX_INJECTION: "true",
    }),
  };
}
