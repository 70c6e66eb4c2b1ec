// AWS's console by the compiled executable, with a stand-in for the sign-in.
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createMachine, until } from "./machine.ts";

/** The sign-in of AWS's, which gives a token for a session. */
function startFederation(status = 200) {
  const asked: URL[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      asked.push(new URL(request.url));
      return Response.json({ SigninToken: "canary-token" }, { status });
    },
  });
  return {
    asked,
    url: `http://127.0.0.1:${server.port}/federation`,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

test("the URL is that of the role's credentials, and stands on stdout alone", async () => {
  await using machine = await createMachine();
  await using federation = startFederation();
  await machine.addConfig("dev", "STS.region_name=eu-west-1");
  const words = ["console", "-n", "dev", "--service", "s3", "--endpoint", federation.url, "--print"];
  const { exitCode, stdout, stderr } = await machine.run(words);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const url = new URL(stdout.trim());
  expect(url.href).toStartWith(`${federation.url}?Action=login&`);
  expect(Object.fromEntries(url.searchParams)).toEqual({
    Action: "login",
    Issuer: "keyhole",
    Destination: "https://console.aws.amazon.com/s3/home?region=eu-west-1",
    SigninToken: "canary-token",
  });
  const keys = JSON.parse(await machine.keyhole("export -n dev -f credential-process")) as Record<string, string>;
  const [question] = federation.asked;
  expect(question!.searchParams.get("Action")).toBe("getSigninToken");
  expect(JSON.parse(question!.searchParams.get("Session")!)).toEqual({
    sessionId: keys["AccessKeyId"],
    sessionKey: keys["SecretAccessKey"],
    sessionToken: keys["SessionToken"],
  });
  expect(JSON.stringify(machine.log())).not.toContain("canary-token");
  expect(readFileSync(join(machine.paths.home, "logs/audit.jsonl"), "utf8")).not.toContain("canary-token");
});

test("a browser is told an address that leads there once; its words hold no secret", async () => {
  await using machine = await createMachine();
  await using federation = startFederation();
  await machine.addConfig("dev");
  const [bin, told] = [join(machine.home, "bin"), join(machine.home, "told")];
  mkdirSync(bin);
  // As `xdg-open` and macOS's `open`.
  for (const name of ["xdg-open", "open"])
    writeFileSync(join(bin, name), `#!/bin/sh\necho "$*" >${told}.new && mv ${told}.new ${told}\n`, { mode: 0o755 });
  const env = { PATH: `${bin}:${machine.environment["PATH"]!}` };
  const child = machine.spawn(["console", "-n", "dev", "--endpoint", federation.url], { env });
  await until(() => existsSync(told));
  const address = readFileSync(told, "utf8").trim();
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}$/);
  expect((await fetch(`${address}x`, { redirect: "manual" })).status).toBe(404);
  const answer = await fetch(address, { redirect: "manual" });
  expect(answer.status).toBe(303);
  expect(answer.headers.get("location")).toContain("SigninToken=canary-token");
  expect(await new Response(child.stdout).text()).toBe("");
  expect(await new Response(child.stderr).text()).toBe("opened in the browser\n");
  expect(await child.exited).toBe(0);
  expect(await fetch(address).catch(() => "gone")).toBe("gone");
  const missing = await machine.run(["console", "-n", "dev", "--endpoint", federation.url], {
    env: { PATH: "/nowhere" },
  });
  expect([missing.exitCode, missing.stdout]).toEqual([127, ""]);
  expect(missing.stderr).toMatch(/open: command not found\nkeyhole: hint: keyhole console -n dev --print\n$/);
});

test("a grant opens no console, nor do keys that have no end", async () => {
  await using machine = await createMachine();
  await using federation = startFederation();
  await machine.addConfig("dev");
  const directory = (await machine.keyhole("grant add box --config dev")).trim().split("\n").at(-1)!;
  const endpoint = ["--endpoint", federation.url, "--print"];
  const granted = await machine.run(["--socket-path", `${directory}/sock`, "console", "-n", "dev", ...endpoint]);
  expect(granted).toMatchObject({ exitCode: 9, stdout: "" });
  mkdirSync(join(machine.home, ".aws"));
  const keys = "aws_access_key_id = AKIALONG000000000000\naws_secret_access_key = s\n";
  writeFileSync(join(machine.home, ".aws/credentials"), `[long]\n${keys}`);
  const long = await machine.run(["console", "--profile", "long", ...endpoint]);
  expect(long).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("these are long-lived keys") });
  expect(federation.asked).toBeEmpty();
});

test("what the sign-in refuses, and an endpoint that is none, is said without a secret", async () => {
  await using machine = await createMachine();
  await using refusing = startFederation(400);
  await machine.addConfig("dev");
  for (const [endpoint, exitCode, message] of [
    [refusing.url, 6, "gives no sign-in for these credentials (status 400)"],
    ["http://127.0.0.1:1/federation", 7, "no answer from 127.0.0.1:1"],
    ["http://signin.example.test/federation", 2, "--endpoint must be a URL with https://"],
    ["nonsense", 2, "--endpoint must be a URL with https://"],
  ] as const) {
    const refused = await machine.run(["console", "-n", "dev", "--print", "--endpoint", endpoint]);
    expect(refused.stderr).not.toContain("Session");
    expect(refused).toMatchObject({ exitCode, stdout: "", stderr: expect.stringContaining(message) });
  }
  const odd = await machine.run(["console", "-n", "dev", "--service", "../x", "--print"]);
  expect(odd).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--service must be") });
});
