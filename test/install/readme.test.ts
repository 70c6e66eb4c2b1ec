// The installer's lines in the help, each run as it stands there but for the address.
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { baseTools, createHost, missing, run, stamped, whereIs } from "./host.ts";

const topic = readFileSync(join(import.meta.dir, "..", "..", "src", "help", "install.md"), "utf8");
const placeholder = "https://example.com/keyhole";
const installer = `${placeholder}/install.sh`;

const lines = [...topic.matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
  .flatMap(([, block]) => block!.trimEnd().split(/(?<!\|)\n/))
  .filter((line) => line.includes(installer));

const executable = ".local/bin/keyhole";
const completions = [
  ".config/fish/completions/keyhole.fish",
  ".local/share/bash-completion/completions/keyhole",
  ".local/share/zsh/site-functions/_keyhole",
];
/** What a line leaves in the home, by what it says; the first that fits. */
const results: readonly (readonly [RegExp, readonly string[]])[] = [
  [/--completions/, [executable, ...completions]],
  [/--uninstall/, []],
  [/KEYHOLE_INSTALL_DIR/, ["bin/keyhole"]],
  [/./, [executable]],
];

test("the help shows how to install, another version, another directory, completions and uninstalling", () => {
  expect(lines).toHaveLength(6);
  for (const [pattern] of results) expect(lines.some((line) => pattern.test(line))).toBeTrue();
});

test.skipIf(missing("curl")).each(lines)("%s", async (line) => {
  using host = createHost("0.1.0");
  host.publish("0.2.0");
  if (line.includes("--uninstall")) host.installOld();
  const url = host.serve();
  writeFileSync(join(host.paths.releases, "install.sh"), stamped(url));
  mkdirSync(join(host.paths.home, "bin"));

  const tools = [...baseTools, "curl", "gzip", "sh", "sha256sum"];
  const { env, cwd } = host.command({ tools, env: { KEYHOLE_BASE_URL: undefined } });
  const outcome = await run([whereIs("sh"), "-c", line.replaceAll(placeholder, url)], { env, cwd });
  expect(outcome).toMatchObject({ stdout: "", exitCode: 0 });
  const [, wanted] = results.find(([pattern]) => pattern.test(line))!;
  expect(host.files()).toEqual(wanted.toSorted());
  if (line.includes("KEYHOLE_VERSION")) expect(await host.ask("--version")).toBe("keyhole 0.1.0");
  else if (wanted.includes(executable)) expect(await host.ask("--version")).toBe("keyhole 0.2.0");
});

test("the sums are compared as the help says", async () => {
  using host = createHost();
  host.publishFile("0.1.0", "keyhole-linux-x64", "an executable");
  host.publishFile("0.1.0", "keyhole-linux-arm64", "another");
  const line = topic.match(/^sha256sum .*?(?= +#)/m)![0];
  const cwd = join(host.paths.releases, "latest");
  const compare = () =>
    run(["sh", "-c", `rm -f keyhole-linux-arm64 *.gz; ${line}`], { env: { PATH: "/usr/bin:/bin" }, cwd });
  expect(await compare()).toMatchObject({ stdout: "keyhole-linux-x64: OK\n", exitCode: 0 });
  host.spoil("keyhole-linux-x64", "a changed one");
  expect(await compare()).toMatchObject({ exitCode: 1 });
});
