// An STS that answers anything: a wrong endpoint, or somebody's. What it says must not reach a list, a shell or a file
// unless it is what it claims to be.
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createMachine, type Machine } from "./machine.ts";

interface Answer {
  readonly accessKeyId?: string;
  readonly secret?: string;
  readonly token?: string;
  readonly arn?: string;
  readonly refusal?: string;
}

/** Use with `using`. */
function startHostile(answer: Answer) {
  const status = answer.refusal === undefined ? 200 : 403;
  const fetch = (): Response => new Response(document(answer), { status });
  return Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
}

function document({ accessKeyId = "ASIAHOSTILE", secret = "secret", token = "token", arn, refusal }: Answer): string {
  if (refusal !== undefined)
    return `<ErrorResponse><Error><Code>AccessDenied</Code><Message>${refusal}</Message></Error></ErrorResponse>`;
  const expiration = new Date(Date.now() + 3_600_000).toISOString();
  const keys = `<AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey>`;
  const credentials = `<Credentials>${keys}<SessionToken>${token}</SessionToken><Expiration>${expiration}</Expiration></Credentials>`;
  const user = `<Arn>${arn ?? "arn:aws:sts::111122223333:assumed-role/x/y"}</Arn><AssumedRoleId>AROA:y</AssumedRoleId>`;
  return `<AssumeRoleResponse><AssumeRoleResult>${credentials}<AssumedRoleUser>${user}</AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>`;
}

/** Everything that shows all sessions and grants. */
async function expectLists(machine: Machine): Promise<void> {
  for (const command of ["daemon list -l", "daemon list --json", "daemon status", "grant list", "grant list --json"])
    await machine.keyhole(command);
  expect((await machine.run(["doctor"])).stdout).not.toContain("its log says why");
}

const LONG = "x".repeat(70_000);

test.each([
  ["an access key id of 70,000 characters", { accessKeyId: LONG }, "no valid AccessKeyId"],
  ["an access key id that turns the text", { accessKeyId: "ASIA&#x202e;" }, "no valid AccessKeyId"],
  ["a secret with a newline", { secret: "AB&#xa;export X=1" }, "no valid SecretAccessKey"],
  ["a secret with an escape", { secret: "AB\u001b[2J" }, "no valid SecretAccessKey"],
  ["a secret with a NUL", { secret: "AB\0CD" }, "no valid SecretAccessKey"],
  ["a token of 70,000 characters", { token: LONG }, "no valid SessionToken"],
  ["an ARN of 70,000 characters", { arn: `arn:aws:sts::1:${LONG}` }, "no valid Arn"],
  ["a refusal of 1,000,000 characters", { refusal: "y".repeat(1_000_000) }, "AccessDenied: yyyy"],
] as const)("%s from STS breaks no list, makes no grant and reaches nobody", async (_, answer, text) => {
  await using machine = await createMachine();
  using hostile = startHostile(answer);
  await machine.addConfig("good");
  await machine.addConfig("evil", `STS.endpoint_url=${hostile.url.origin}`);
  await machine.keyhole("export -n good");
  for (const words of [
    ["export", "-n", "evil"],
    ["exec", "-n", "evil", "--", "true"],
    ["grant", "add", "g", "--config", "evil"],
  ]) {
    const { stdout, stderr, exitCode } = await machine.run(words);
    expect([stdout, stderr]).toEqual(["", expect.stringContaining(text)]);
    expect(exitCode).toBeGreaterThan(0);
  }
  await expectLists(machine);
  expect(JSON.parse(await machine.keyhole("grant list --json"))).toEqual([]);
  expect(readdirSync(join(machine.paths.home, "grants")).filter((name) => name.endsWith(".yaml"))).toEqual([]);
  expect(JSON.parse(await machine.keyhole("export -f credential-process -n good"))).toHaveProperty("SessionToken");
});
