// Which servers and clients this machine has, where they are, and what to do about one that is missing.
import { Glob } from "bun";
import { test } from "bun:test";
import { existsSync } from "node:fs";
import { homedir } from "node:os";

/** Everything that install.sh puts beside the distribution's own packages; outside the repository, kept between runs. */
const cache =
  process.env["KEYHOLE_INTEROP_CACHE"] ?? `${process.env["XDG_CACHE_HOME"] ?? `${homedir()}/.cache`}/keyhole-interop`;

/** Where a client or server is. Debian's tools go by full path: the same names in PATH may be other versions. */
export const executables = {
  moto: `${cache}/python/bin/moto_server`,
  elhaz: `${cache}/elhaz/bin/elhaz`,
  awsV1: `${cache}/python/bin/aws`,
  awsV2: "/usr/bin/aws",
  python: `${cache}/python/bin/python3`,
  node: existsSync(`${cache}/node/node_modules/.bin/node`) ? `${cache}/node/node_modules/.bin/node` : Bun.which("node"),
  nodeClient: `${cache}/node/client.mjs`,
  nodeV2: `${cache}/node/v2.cjs`,
  bedrock: `${cache}/node/bedrock.mjs`,
  call: `${cache}/node/call.mjs`,
  nodeServices: `${cache}/node/services.mjs`,
  goClient: `${cache}/go/client`,
  java: "/usr/bin/java",
  javaClasses: [`${cache}/java/classes`, `${cache}/java/lib`] as const,
  ruby: "/usr/bin/ruby",
  rclone: "/usr/bin/rclone",
  restic: "/usr/bin/restic",
  terraform: Bun.which("terraform"),
  terraformProviders: providerMirror(),
  monitor: "/usr/bin/ceph-mon",
  storage: "/usr/bin/ceph-osd",
  gateway: "/usr/bin/radosgw",
};

/** Something a test cannot do without. */
export interface Rig {
  readonly name: string;
  /** Paths that must exist; `null` is an executable that PATH does not have. */
  readonly files: readonly (string | null)[];
  readonly install: string;
  /** What no package registry brings: a machine without it is not a failure in CI either. */
  readonly optional?: boolean;
}

const install = "run test/interop/install.sh";

export const rigs = {
  elhaz: { name: "elhaz", files: [executables.elhaz], install },
  moto: { name: "moto_server", files: [executables.moto], install },
  ceph: {
    name: "Ceph RGW",
    files: [executables.monitor, executables.storage, executables.gateway, "/usr/bin/radosgw-admin", "/usr/bin/curl"],
    install,
  },
  awsV1: { name: "AWS CLI v1", files: [executables.awsV1], install },
  awsV2: { name: "AWS CLI v2", files: [executables.awsV2], install },
  boto3: { name: "boto3", files: [executables.python], install },
  node: {
    name: "AWS SDK for JavaScript",
    files: [executables.node, executables.nodeClient, executables.bedrock, executables.call, executables.nodeServices],
    install,
  },
  nodeV2: { name: "AWS SDK for JavaScript v2", files: [executables.node, executables.nodeV2], install },
  go: { name: "AWS SDK for Go", files: [executables.goClient], install },
  java: { name: "AWS SDK for Java", files: [executables.java, ...executables.javaClasses], install },
  ruby: { name: "AWS SDK for Ruby", files: [executables.ruby, "/usr/lib/ruby/vendor_ruby/aws-sdk-s3.rb"], install },
  rclone: { name: "rclone", files: [executables.rclone], install },
  restic: { name: "restic", files: [executables.restic], install },
  terraform: {
    name: "Terraform",
    files: [executables.terraform, executables.terraformProviders],
    install: "put terraform into PATH and a mirror of hashicorp/aws into ~/.terraform.d/plugins",
    optional: true,
  },
} satisfies Record<string, Rig>;

const reported = new Set<string>();

/**
 * `test`, if every rig is here. Otherwise a skipped test whose title and whose line on stderr say what is missing and how
 * to get it, or in CI, where install.sh has run, a failed one.
 */
export function testWith(needed: readonly Rig[]): (title: string, body: () => Promise<void>, timeout: number) => void {
  const missing = needed.find(isMissing);
  if (!missing) return test;
  const reason = `${missing.name} is missing: ${missing.install}`;
  if (process.env["CI"] && !missing.optional)
    return (title) =>
      test(title, () => {
        throw new Error(reason);
      });
  if (!reported.has(reason)) console.error(`interop: skipping what needs it: ${reason}`);
  reported.add(reason);
  return (title, body) => test.skip(`${title} (skipped: ${reason})`, body);
}

export function isMissing(rig: Rig): boolean {
  return rig.files.some((file) => file === null || !existsSync(file));
}

/** A directory laid out as Terraform's filesystem mirror: HOST/hashicorp/aws/VERSION/PLATFORM. */
function providerMirror(): string | null {
  const layout = "hashicorp/aws/*/*/terraform-provider-aws_*";
  for (const root of [`${homedir()}/.terraform.d/plugins`, "/usr/local/share/terraform/plugins", "/opt"]) {
    if (!existsSync(root)) continue;
    for (const pattern of [`*/${layout}`, `*/*/${layout}`]) {
      const found = new Glob(pattern).scanSync(root).next();
      if (!found.done) return [root, ...found.value.split("/").slice(0, -6)].join("/");
    }
  }
  return null;
}
