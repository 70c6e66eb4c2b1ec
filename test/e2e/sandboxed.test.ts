// A grant's executable in roots that hold nothing else, and under filters that forbid what it needs. In bubblewrap, with
// the grant's directory as all that there is.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addGrant, createHost, keysOf } from "./granthost.ts";
import { makeFilter } from "../seccomp.ts";
import { hasBubblewrap, runSandboxed } from "./bubblewrap.ts";

describe.skipIf(!hasBubblewrap)("in a root that holds a grant's directory and nothing else", () => {
  test.each([
    ["by its path", "/run/keyhole/keyhole", [], []],
    ["by a relative path, without /proc", "./keyhole", ["--chdir", "/run/keyhole"], []],
    ["by a name in PATH, without /proc", "keyhole", ["--setenv", "PATH", "/run/keyhole"], []],
    ["by its path, with /proc", "/run/keyhole/keyhole", ["--proc", "/proc"], []],
    ["by a name in PATH, with /proc", "keyhole", ["--proc", "/proc", "--setenv", "PATH", "/run/keyhole"], []],
    ["as any user", "/run/keyhole/keyhole", ["--unshare-user", "--uid", "1234", "--gid", "1234"], []],
    ["with words, without a home", "/run/keyhole/keyhole", [], ["export", "-f", "credential-process"]],
    [
      "with words, by a name in PATH",
      "keyhole",
      ["--setenv", "PATH", "/run/keyhole"],
      ["export", "-f", "credential-process"],
    ],
  ])("the executable finds the socket beside it, %s", async (_, program, options, words) => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev");
    keysOf(machine, await runSandboxed(machine, directory, [program, ...words], { options }));
  });

  test("a broker that is away is an error within its patience, and nothing is started", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev");
    await machine.keyhole("daemon stop");
    const options = ["--tmpfs", "/tmp", "--setenv", "HOME", "/tmp"];
    const began = performance.now();
    const result = await runSandboxed(machine, directory, ["/run/keyhole/keyhole"], { options });
    expect(result).toEqual({
      exitCode: 3,
      stdout: "",
      stderr:
        "keyhole: error: the daemon does not answer for this grant\nkeyhole: hint: on the host: keyhole daemon start\n",
    });
    expect(performance.now() - began).toBeWithin(1900, 15_000);
  });
});

describe.skipIf(!hasBubblewrap)("under a seccomp filter that answers", () => {
  test.each([
    ["socket", "EPERM", 1],
    ["socket", "EACCES", 13],
    ["socket", "EOPNOTSUPP", 95],
    ["socket", "EAFNOSUPPORT", 97],
    ["socket", "ENOSYS", 38],
    ["connect", "EPERM", 1],
    ["connect", "EACCES", 13],
  ] as const)("%s with %s, it says at once what to do, with exit 8, and starts nothing", async (call, _, errno) => {
    await using machine = await createHost();
    const small = await addGrant(machine, "agent-a --config dev");
    const full = await addGrant(machine, "agent-b --config dev --executable full");
    const scratch = mkdtempSync(join(tmpdir(), "keyhole-filter-"));
    try {
      const filter = join(scratch, "filter");
      writeFileSync(filter, makeFilter(call, errno));
      const home = join(scratch, "home");
      const options = ["--bind", scratch, scratch, "--setenv", "HOME", home];
      for (const [directory, words] of [
        [small, []],
        [full, []],
        [full, ["export", "-f", "env"]],
      ] as const) {
        const began = performance.now();
        const result = await runSandboxed(machine, directory, ["/run/keyhole/keyhole", ...words], { options, filter });
        expect(result).toEqual({
          exitCode: 8,
          stdout: "",
          stderr:
            "keyhole: error: this sandbox does not permit Unix sockets\n" +
            "keyhole: hint: on the host: keyhole grant add NAME --config CONFIG --deliver file\n",
        });
        expect(performance.now() - began).toBeLessThan(5000);
      }
      expect(existsSync(home)).toBe(false);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });

  test("EPERM, the advice is a grant at the host's path where this one is seen there", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev --mount-at host");
    const scratch = mkdtempSync(join(tmpdir(), "keyhole-filter-"));
    try {
      const filter = join(scratch, "filter");
      writeFileSync(filter, makeFilter("socket", 1));
      const options = ["--ro-bind", directory, directory];
      const result = await runSandboxed(machine, directory, [`${directory}/keyhole`], { options, filter });
      expect(result).toMatchObject({
        exitCode: 8,
        stderr: expect.stringContaining(
          "hint: on the host: keyhole grant add NAME --config CONFIG --deliver file --mount-at host\n",
        ),
      });
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });

  test("nothing: the same filter for another call lets it through", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev");
    const scratch = mkdtempSync(join(tmpdir(), "keyhole-filter-"));
    try {
      // ENOSYS for a call that nobody makes: the harness itself breaks nothing.
      const filter = makeFilter("socket", 38);
      filter.writeUInt32LE(0xffff, 12);
      writeFileSync(join(scratch, "filter"), filter);
      keysOf(
        machine,
        await runSandboxed(machine, directory, ["/run/keyhole/keyhole"], { filter: join(scratch, "filter") }),
      );
      expect(readdirSync(scratch)).toEqual(["filter"]);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });
});

describe.skipIf(!hasBubblewrap)("the recipe for bwrap, as it is printed", () => {
  test.each(["socket", "file"])("gives a program inside the credentials of a grant over a %s", async (deliver) => {
    await using machine = await createHost();
    await addGrant(machine, `agent-a --config dev --deliver ${deliver}`);
    const recipe = (await machine.keyhole("grant show agent-a --for bwrap")).trimEnd();
    expect(recipe).toEndWith("-- sh");
    const inner = `-c 'eval "$(sed -n "s/^credential_process = //p" "$AWS_CONFIG_FILE" | head -n 1)"'`;
    keysOf(machine, await machine.run([], { under: ["sh", "-c", `${recipe} ${inner}`, "sh"] }));
  });
});
