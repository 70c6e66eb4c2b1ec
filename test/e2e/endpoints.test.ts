// Which hosts are asked, at any depth and from every kind of source: those that the settings say, and no other.
import { expect, test } from "bun:test";
import { makeWorld } from "./awsworld.ts";

interface Way {
  readonly title: string;
  readonly region: string;
  readonly partition?: string;
  /** Of every profile. */
  readonly settings?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly sts: string;
  readonly portal: string;
}

const ways: readonly Way[] = [
  {
    title: "a proxy",
    region: "eu-west-1",
    sts: "sts.eu-west-1.amazonaws.com",
    portal: "portal.sso.eu-west-1.amazonaws.com",
  },
  {
    title: "FIPS of the profiles",
    region: "us-east-1",
    settings: "use_fips_endpoint = true\n",
    sts: "sts-fips.us-east-1.amazonaws.com",
    portal: "portal.sso-fips.us-east-1.amazonaws.com",
  },
  {
    title: "FIPS of the environment",
    region: "us-west-2",
    env: { AWS_USE_FIPS_ENDPOINT: "true" },
    sts: "sts-fips.us-west-2.amazonaws.com",
    portal: "portal.sso-fips.us-west-2.amazonaws.com",
  },
  {
    title: "an endpoint of the environment",
    region: "eu-west-1",
    env: { AWS_ENDPOINT_URL_STS: "https://sts.example.test" },
    sts: "sts.example.test",
    portal: "portal.sso.eu-west-1.amazonaws.com",
  },
  {
    title: "an endpoint of the profiles",
    region: "eu-west-1",
    settings: "services = mine\n",
    sts: "sts.example.test",
    portal: "sso.example.test",
  },
  {
    title: "China",
    region: "cn-north-1",
    partition: "aws-cn",
    sts: "sts.cn-north-1.amazonaws.com.cn",
    portal: "portal.sso.cn-north-1.amazonaws.com.cn",
  },
];

const DEPTH = 3;

/** Three sources, and roles on top of each; and what counts for a config that names no profile. */
function profilesOf({ region, partition = "aws", settings = "" }: Way): string {
  const common = `region = ${region}\n${settings}`;
  const roleArn = (name: string) => `role_arn = arn:${partition}:iam::123456789012:role/${name}\n`;
  const sources = {
    keys: "aws_access_key_id = AKIAKEYS000000000000\naws_secret_access_key = s\n",
    sso: "sso_session = corp\nsso_account_id = 222222222222\nsso_role_name = Reader\n",
    web: `${roleArn("web")}web_identity_token_file = HOME/token.jwt\n`,
  };
  const sections = Object.entries(sources).flatMap(([name, leaf]) => [
    `[profile ${name}0]\n${common}${leaf}`,
    ...Array.from(
      { length: DEPTH },
      (_, index) =>
        `[profile ${name}${index + 1}]\n${common}${roleArn(`${name}${index + 1}`)}source_profile = ${name}${index}\n`,
    ),
  ]);
  const services =
    "[services mine]\nsts =\n  endpoint_url = https://sts.example.test\nsso =\n  endpoint_url = https://sso.example.test\n";
  return `[sso-session corp]\nsso_start_url = https://d-1234567890.awsapps.com/start\nsso_region = ${region}\n[default]\n${common}${services}${sections.join("")}`;
}

for (const way of ways) {
  test(`${way.title}: only the expected hosts are asked`, async () => {
    await using world = await makeWorld(profilesOf(way));
    const { partition = "aws", env = {}, sts, portal } = way;
    const roleOf = (name: string) => ["--role-arn", `arn:${partition}:iam::123456789012:role/${name}`];
    const asked = async (words: readonly string[]) => {
      const { hosts, questions } = world.aws;
      const [connected, before] = [hosts.length, questions.length];
      expect(await world.run(words, env)).toMatchObject({ exitCode: 0 });
      // A connection that stands is used again.
      const all = [...hosts.slice(connected), ...questions.slice(before).map(({ host }) => `${host}:443`)];
      return [...new Set(all)].toSorted();
    };
    for (const [source, hosts] of [
      ["keys", [sts]],
      ["sso", [portal, sts]],
      ["web", [sts]],
    ] as const) {
      const expected = hosts.map((host) => `${host}:443`).toSorted();
      const top = `${source}${DEPTH}`;
      expect({ top, hosts: await asked(["export", "--profile", top]) }).toEqual({ top, hosts: expected });
      expect(await asked(["whoami", "--profile", top])).toEqual([`${sts}:443`]);
      // A role of a config on top of them, and one of another config on top of that.
      for (const [name, role, set] of [
        [source, "c", `Session.profile_name=${top}`],
        [`on-${source}`, "d", `Source=${source}`],
      ] as const)
        expect(await asked(["config", "add", "-n", name, ...roleOf(role), "--set", set])).toEqual([]);
      await world.run(["daemon", "restart"], env);
      const name = `on-${source}`;
      expect({ name, hosts: await asked(["export", "-n", name]) }).toEqual({ name, hosts: expected });
    }
  }, 60_000);
}
