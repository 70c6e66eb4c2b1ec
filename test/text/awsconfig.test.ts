import { expect, test } from "bun:test";
import { formatAwsConfig } from "../../src/text/awsconfig.ts";
import { thrownBy } from "../thrown.ts";

const config = { comment: "For a test.", process: ["/opt/key hole", "export"], region: undefined };

test("both spellings of the default profile run the process", () => {
  expect(formatAwsConfig({ ...config, region: "eu-west-1" })).toBe(
    `# For a test.

[profile default]
credential_process = "/opt/key hole" export
region = eu-west-1
`,
  );
});

test.each([undefined, "", "eu-west-1\n[x]", "$(x)"])("the region %j gets no line", (region) => {
  expect(formatAwsConfig({ ...config, region })).not.toContain("region");
});

test("a word that no SDK takes as it is meant is refused, and not repeated", () => {
  const failure = thrownBy(() => formatAwsConfig({ ...config, process: ["/opt/$x/keyhole"] }));
  expect(failure).toMatchObject({ kind: "usage", hint: "export KEYHOLE_HOME=/path/to/a/private/directory" });
  expect(failure.message).not.toContain("$x");
});
