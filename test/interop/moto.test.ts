// Each tool calls GetCallerIdentity with what its `credential_process` gave it; moto answers with the role session that
// the credentials belong to. The environment and the files of a tool hold no other credentials.
import { afterAll, beforeAll, expect } from "bun:test";
import { type Broker, makeColdHome, startBroker, writeProfiles } from "./broker.ts";
import { clients } from "./clients.ts";
import { type Server, startMoto } from "./moto.ts";
import { executables, isMissing, rigs, testWith } from "./rigs.ts";
import { type Environment, run, scratch } from "./run.ts";
import { startIn, terraformWhoami } from "./terraform.ts";

const directory = scratch("moto");
const home = `${directory.path}/home`;
const KEYS = { AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY: "source-secret" };
const identity = "arn:aws:sts::111122223333:assumed-role/demo/interop@keyhole";

let moto: Server | undefined;
let broker: Broker | undefined;
let count = 0;
let profile: (name: string) => Environment;

beforeAll(async () => {
  if (isMissing(rigs.moto)) return;
  moto = await startMoto(directory.path);
  broker = await startBroker(home, moto.endpoint, KEYS);
  await broker.add("demo", "arn:aws:iam::111122223333:role/demo", { "AssumeRole.RoleSessionName": "interop@keyhole" });
  profile = writeProfiles(home, moto.endpoint, { demo: broker.command("demo"), absent: broker.command("absent") });
}, 60_000);

afterAll(async () => {
  await broker?.stop();
  await moto?.stop();
  directory.remove();
});

for (const { rig, whoami } of clients) {
  if (!whoami) continue;

  testWith([rigs.moto, rig])(
    `${rig.name} acts as the role of the config`,
    async () => {
      const outcome = await run(whoami(moto!.endpoint), profile("demo"));
      expect(outcome).toMatchObject({ stdout: `${identity}\n`, exitCode: 0 });
    },
    90_000,
  );

  testWith([rigs.moto, rig])(
    `${rig.name} acts as the role of the profile in AWS_PROFILE, which calls keyhole, with no daemon and no session`,
    async () => {
      const cold = await makeColdHome(`${directory.path}/${(count += 1)}`, moto!.endpoint);
      try {
        const outcome = await run(whoami(moto!.endpoint), cold.environment);
        const arn = "arn:aws:sts::111122223333:assumed-role/staging/cold@keyhole\n";
        expect(outcome).toMatchObject({ stdout: arn, exitCode: 0 });
      } finally {
        await cold.end();
      }
    },
    90_000,
  );

  testWith([rigs.moto, rig])(
    `${rig.name} does nothing when keyhole refuses`,
    async () => {
      const outcome = await run(whoami(moto!.endpoint), profile("absent"));
      expect(outcome.stdout).not.toContain("arn:");
      expect(outcome.exitCode).not.toBe(0);
    },
    90_000,
  );
}

testWith([rigs.moto, rigs.terraform])(
  "Terraform acts as the role of the config",
  async () => {
    expect(await terraformWhoami(`${directory.path}/terraform`, moto!.endpoint, startIn(profile("demo")))).toBe(
      identity,
    );
  },
  180_000,
);

testWith([rigs.moto, rigs.awsV1])(
  "a profile assumes a further role with keyhole's credentials as its source",
  async () => {
    const chained = { ...profile("chained") };
    const config = await Bun.file(chained["AWS_CONFIG_FILE"]!).text();
    const section = `[profile chained]
region = us-east-1
endpoint_url = ${moto!.endpoint}
source_profile = demo
role_arn = arn:aws:iam::444455556666:role/further
role_session_name = chained
`;
    await Bun.write(`${home}/chained-config`, config + section);
    const environment = { ...chained, AWS_CONFIG_FILE: `${home}/chained-config` };
    const command = [executables.awsV1, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"];
    const outcome = await run(command, environment);
    expect(outcome).toMatchObject({ stdout: "arn:aws:sts::444455556666:assumed-role/further/chained\n", exitCode: 0 });
  },
  90_000,
);

testWith([rigs.moto, rigs.nodeV2])(
  "the AWS SDK for JavaScript v2 works in exec --refresh, in a shell and in a grant",
  async () => {
    const command = [executables.node ?? "node", executables.nodeV2, moto!.endpoint];
    const shell = `${directory.path}/shell`;
    await Bun.write(shell, `#!/bin/sh\nexec ${command.join(" ")}\n`);
    await run(["chmod", "755", shell], {});
    const refreshed = await broker!.run(["exec", "--refresh", "-n", "demo", "--", ...command], {});
    const inShell = await broker!.run(["shell", "-n", "demo"], { SHELL: shell });
    const mounted = (await broker!.run(["grant", "add", "v2", "--config", "demo", "--mount-at", "host"], KEYS)).trim();
    const files = { AWS_CONFIG_FILE: `${mounted}/aws-config`, AWS_SHARED_CREDENTIALS_FILE: `${mounted}/credentials` };
    const granted = await run(command, { PATH: "/usr/bin:/bin", AWS_SDK_LOAD_CONFIG: "1", ...files });
    expect([refreshed, inShell]).toEqual([`${identity}\n`, `${identity}\n`]);
    expect(granted).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("assumed-role/demo/") });
  },
  90_000,
);
