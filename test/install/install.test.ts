// install.sh where all is well, with small stand-ins for the executable.
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { baseTools, createCheckout, createHost, fakeExecutable, missing, run, stamped, whereIs } from "./host.ts";

const executableFile = ".local/bin/keyhole";

describe("every shell", () => {
  const shells = ["sh", "dash", "bash", "bash --posix", "busybox sh", "zsh --emulate sh"].map((line) =>
    line.split(" "),
  );
  for (const shell of shells) {
    test.skipIf(missing(shell[0]!))(`installs: ${shell.join(" ")} (needs ${shell[0]})`, async () => {
      using host = createHost("0.2.0");
      const { stdout, stderr, exitCode } = await host.install({ shell, env: { KEYHOLE_BASE_URL: host.serve() } });
      expect(stderr).toBe(
        `getting ${stderr.split(/[ \n]/)[1]}\n` +
          `keyhole 0.2.0 is installed: ${host.paths.executable}\n` +
          `to find it by name, add to your shell's start-up file: export PATH=${host.paths.bin}:"$PATH"\n` +
          `next: ${host.paths.executable}    # shows what is there, and what to do\n`,
      );
      expect(stdout).toBe("");
      expect(exitCode).toBe(0);
      expect(await host.ask("--version")).toBe("keyhole 0.2.0");
      expect(lstatSync(host.paths.executable).mode & 0o7777).toBe(0o755);
      expect(host.files()).toEqual([executableFile]);
    });
  }
});

describe("the tools", () => {
  const pairs = [
    ["curl", "sha256sum"],
    ["wget", "sha256sum"],
    ["busybox:wget", "busybox:sha256sum"],
    ["curl", "shasum"],
    ["curl", "openssl"],
  ];
  for (const tools of pairs) {
    test.skipIf(missing(...tools))(`${tools.join(" and ")} are enough (needs them)`, async () => {
      using host = createHost("0.2.0");
      const all = [...baseTools, ...tools];
      const { exitCode } = await host.install({ tools: all, env: { KEYHOLE_BASE_URL: host.serve() } });
      expect(exitCode).toBe(0);
      expect(await host.ask("--version")).toBe("keyhole 0.2.0");
      // They verify as well.
      host.publish("0.3.0");
      host.spoil("keyhole-linux-x64", fakeExecutable("6.6.6", "evil"));
      const second = await host.install({ tools: all, env: { KEYHOLE_BASE_URL: host.serve() } });
      expect(second.stderr).toContain("keyhole-linux-x64 has the wrong SHA-256: ");
      expect(second.exitCode).toBe(1);
      expect(await host.ask("--version")).toBe("keyhole 0.2.0");
    });
  }

  test("file:// needs no downloader", async () => {
    using host = createHost("0.2.0");
    const { exitCode } = await host.install({ tools: [...baseTools, "sha256sum"] });
    expect(exitCode).toBe(0);
  });

  // What is executable there is static: the kind of libc makes no difference.
  test.skipIf(missing("busybox"))("on a host such as Alpine all of them are BusyBox's (needs busybox)", async () => {
    using host = createHost("0.2.0");
    const tools = [...baseTools, "wget", "sha256sum"].map((tool) => `busybox:${tool}`);
    const env = { KEYHOLE_BASE_URL: host.serve() };
    const { exitCode } = await host.install({ shell: ["busybox", "sh"], tools, env });
    expect(exitCode).toBe(0);
    expect(await host.ask("asset")).toBe("keyhole-linux-x64");
  });
});

describe("the machine", () => {
  test.each([
    ["Linux x86_64", "", "keyhole-linux-x64"],
    ["Linux aarch64", "", "keyhole-linux-arm64"],
    ["Linux arm64", "", "keyhole-linux-arm64"],
    ["Darwin arm64", "0", "keyhole-darwin-arm64"],
    ["Darwin x86_64", "0", "keyhole-darwin-x64"],
    ["Darwin x86_64", "", "keyhole-darwin-x64"],
    ["Darwin x86_64", "1", "keyhole-darwin-arm64"],
  ])("%s, translated by Rosetta: %p, takes %s", async (machine, translated, asset) => {
    using host = createHost("0.2.0");
    host.addTool(
      "sysctl",
      `#!/bin/sh\n[ "$*" = "-n sysctl.proc_translated" ] && [ -n "${translated}" ] && echo "${translated}"\n`,
    );
    expect((await host.install({ machine })).exitCode).toBe(0);
    expect(await host.ask("asset")).toBe(asset);
  });

  test.each(["Linux riscv64", "Linux i686", "FreeBSD amd64", "MINGW64_NT-10.0 x86_64", ""])(
    "%p is refused by its name",
    async (machine) => {
      using host = createHost("0.2.0");
      const { stderr, exitCode } = await host.install({ machine });
      expect(stderr).toBe(`keyhole: error: there is no keyhole for ${machine}\nkeyhole: hint: uname -a\n`);
      expect(exitCode).toBe(1);
      expect(host.files()).toEqual([]);
    },
  );

  test("this one is known", async () => {
    using host = createHost("0.2.0");
    expect((await host.install({ machine: undefined })).exitCode).toBe(0);
    expect(await host.ask("asset")).toBe(`keyhole-${process.platform}-${process.arch}`);
  });
});

describe("the version", () => {
  test.each([
    [undefined, "0.3.0"],
    ["", "0.3.0"],
    ["latest", "0.3.0"],
    ["0.2.0", "0.2.0"],
    ["v0.2.0", "0.2.0"],
  ])("%p over 0.2.5 makes it %s", async (wanted, version) => {
    using host = createHost("0.2.0");
    host.publish("0.3.0");
    host.installOld("0.2.5");
    const { exitCode } = await host.install({ env: { KEYHOLE_VERSION: wanted } });
    expect(exitCode).toBe(0);
    expect(await host.ask("--version")).toBe(`keyhole ${version}`);
    expect(host.files()).toEqual([executableFile]);
  });

  test("one that does not exist leaves what was there", async () => {
    using host = createHost("0.2.0");
    host.installOld();
    const { stderr, exitCode } = await host.install({
      env: { KEYHOLE_VERSION: "9.9.9", KEYHOLE_BASE_URL: host.serve() },
    });
    expect(stderr).toMatch(/^keyhole: error: cannot download http:\S+\/v9\.9\.9\/SHA256SUMS$/m);
    expect(exitCode).toBe(1);
    expect(await host.ask("--version")).toBe("keyhole 0.1.0");
  });
});

describe("the place", () => {
  test.each([
    ["absolute", "/opt/my tools", "/opt/my tools"],
    ["with a slash at the end", "/opt/bin/", "/opt/bin"],
  ])("%s: KEYHOLE_INSTALL_DIR says where", async (_, wanted, directory) => {
    using host = createHost("0.2.0");
    const { stderr } = await host.install({ env: { KEYHOLE_INSTALL_DIR: join(host.paths.root, wanted) } });
    const executable = join(host.paths.root, directory, "keyhole");
    expect(stderr).toContain(`is installed: ${executable}\n`);
    expect(existsSync(executable)).toBe(true);
    expect(host.files()).toEqual([]);
  });

  test("a relative one is below the working directory", async () => {
    using host = createHost("0.2.0");
    const { stderr } = await host.install({ env: { KEYHOLE_INSTALL_DIR: "bin" } });
    expect(stderr).toContain(`export PATH=${join(host.paths.home, "bin")}:"$PATH"`);
    expect(host.files()).toEqual(["bin/keyhole"]);
  });

  test("with what a shell would obey in its name is advised so that the shell takes it as it is", async () => {
    using host = createHost("0.2.0");
    const odd = join(host.paths.root, "we ird$(touch obeyed)'`touch obeyed`\"\\");
    const { stderr } = await host.install({ env: { KEYHOLE_INSTALL_DIR: odd } });
    const advice = / file: (.*)\n/.exec(stderr)![1]!;
    const program = `${advice}; printf '%s\n' "$PATH"`;
    const { stdout } = await run([whereIs("sh"), "-c", program], { env: { PATH: "/a b:/c" }, cwd: host.paths.home });
    expect(stdout).toBe(`${odd}:/a b:/c\n`);

    // A hint, too.
    writeFileSync(join(odd, "keyhole"), "");
    host.addTool("rm", "#!/bin/sh\nexit 1\n");
    const { stderr: refusal } = await host.install({ words: ["--uninstall"], env: { KEYHOLE_INSTALL_DIR: odd } });
    const hint = /hint: (.*)\n/.exec(refusal)![1]!;
    const shown = await run([whereIs("sh"), "-c", hint.replace("ls -ld", "printf '%s\n'")], { env: {}, cwd: "/" });
    expect(shown.stdout).toBe(`${odd}/keyhole\n`);
    expect(host.files()).toEqual([]);
  });

  test("in the PATH needs no advice", async () => {
    using host = createHost("0.2.0");
    const { env } = host.command();
    const { stderr } = await host.install({ env: { PATH: `${host.paths.bin}:${env["PATH"]}` } });
    expect(stderr).not.toContain("PATH");
  });

  test("behind another keyhole in the PATH needs it", async () => {
    using host = createHost("0.2.0");
    host.addTool("keyhole", "#!/bin/sh\n");
    const { env } = host.command();
    const { stderr } = await host.install({ env: { PATH: `${env["PATH"]}:${host.paths.bin}` } });
    expect(stderr).toContain(`export PATH=${host.paths.bin}:"$PATH"`);
  });
});

describe("a pipe", () => {
  test("runs the script of a release, with its own address and options", async () => {
    using host = createHost("0.2.0");
    const { env, cwd } = host.command({ env: { KEYHOLE_BASE_URL: undefined } });
    const words = [whereIs("sh"), "-s", "--", "--completions"];
    const { stdout, stderr, exitCode } = await run(words, { env, cwd, stdin: stamped(host.serve()) });
    expect([stdout, exitCode]).toEqual(["", 0]);
    expect(stderr).toContain("keyhole 0.2.0 is installed");
    expect(host.files()).toContain(executableFile);
    expect(host.files()).toHaveLength(4);
  });

  test("KEYHOLE_BASE_URL wins over the address in the script", async () => {
    using host = createHost("0.2.0");
    const { env, cwd } = host.command();
    expect((await run([whereIs("sh")], { env, cwd, stdin: stamped("http://127.0.0.1:1") })).exitCode).toBe(0);
  });

  test("without any address says so, also where the working directory is a checkout", async () => {
    using host = createHost();
    const { env } = host.command({ env: { KEYHOLE_BASE_URL: undefined }, tools: ["sh"] });
    const cwd = createCheckout(host);
    host.addTool("npm", "#!/bin/sh\necho >npm-ran\n");
    // By env, the shell's name is without a directory, as in a pipe of a terminal.
    const { stderr, exitCode } = await run([whereIs("env"), "sh"], { env, cwd, stdin: stamped("@BASE_URL@") });
    expect(stderr).toBe(
      "keyhole: error: no address of releases here or in KEYHOLE_BASE_URL\n" +
        "keyhole: hint: export KEYHOLE_BASE_URL=https://...\n",
    );
    expect(exitCode).toBe(1);
    expect(existsSync(join(cwd, "npm-ran"))).toBe(false);
  });
});

describe("a checkout", () => {
  const npm = `#!/bin/sh
echo "npm says $*"
echo "$*" >>npm.log
[ "$1 $2" != "run build" ] || { mkdir -p dist && cat >dist/keyhole && chmod 755 dist/keyhole; } <<'END'
${fakeExecutable("0.0.9", "built")}END
`;

  test.each(["./install.sh", "install.sh", "../checkout/install.sh"])("builds and installs: sh %s", async (path) => {
    using host = createHost();
    const cwd = createCheckout(host);
    host.addTool("npm", npm);
    const { env } = host.command({ env: { KEYHOLE_BASE_URL: undefined } });
    const { stdout, stderr, exitCode } = await run([whereIs("sh"), path], { env, cwd });
    expect([stdout, stderr.includes("error"), exitCode]).toEqual(["", false, 0]);
    expect(readFileSync(join(cwd, "npm.log"), "utf8")).toBe("ci --no-audit --no-fund\nrun build\n");
    expect(await host.ask("asset")).toBe("built");
    expect(host.files()).toEqual([executableFile]);
  });

  test("downloads where it is told to", async () => {
    using host = createHost("0.2.0");
    const cwd = createCheckout(host);
    host.addTool("npm", npm);
    const { env } = host.command();
    expect((await run([whereIs("sh"), "./install.sh"], { env, cwd })).exitCode).toBe(0);
    expect(await host.ask("asset")).toBe("keyhole-linux-x64");
  });

  test("is not what a script with an address looks for", async () => {
    using host = createHost("0.2.0");
    const cwd = createCheckout(host, stamped(host.fileUrl));
    host.addTool("npm", npm);
    const { env } = host.command({ env: { KEYHOLE_BASE_URL: undefined } });
    expect((await run([whereIs("sh"), "./install.sh"], { env, cwd })).exitCode).toBe(0);
    expect(await host.ask("asset")).toBe("keyhole-linux-x64");
  });

  test.each([
    ["a build that fails", "#!/bin/sh\nexit 7\n", "the build failed"],
    ["no npm", undefined, "npm is needed for the build, and is not here"],
  ])("%s leaves what was there", async (_, program, message) => {
    using host = createHost();
    host.installOld();
    const cwd = createCheckout(host);
    if (program !== undefined) host.addTool("npm", program);
    const { env } = host.command({ env: { KEYHOLE_BASE_URL: undefined } });
    const { stderr, exitCode } = await run([whereIs("sh"), "./install.sh"], { env, cwd });
    expect(stderr).toStartWith(`keyhole: error: ${message}\nkeyhole: hint: `);
    expect(exitCode).toBe(1);
    expect(await host.ask("asset")).toBe("old");
    expect(host.files()).toEqual([executableFile]);
  });
});

/** One that says where it looks for functions. */
const zsh = (directory: string) => `#!/bin/sh\n[ "$*" = "-fc print -rl -- \\$fpath" ] && echo ${directory}\n`;

describe("options", () => {
  const completionFiles = [
    ".config/fish/completions/keyhole.fish",
    ".local/share/bash-completion/completions/keyhole",
    ".local/share/zsh/site-functions/_keyhole",
  ];

  test("--completions writes one file for each shell, --uninstall removes all that was installed", async () => {
    using host = createHost("0.2.0");
    const { stderr, exitCode } = await host.install({ words: ["--completions"] });
    expect(exitCode).toBe(0);
    expect(host.files()).toEqual([completionFiles[0]!, executableFile, ...completionFiles.slice(1)]);
    for (const [index, shell] of ["fish", "bash", "zsh"].entries()) {
      const file = join(host.paths.home, completionFiles[index]!);
      expect(readFileSync(file, "utf8")).toBe(`# keyhole 0.2.0 in ${shell}\n`);
      expect(lstatSync(file).mode & 0o777).toBe(0o644);
      expect(stderr).toContain(`completion for ${shell} is installed: ${file}\n`);
    }
    mkdirSync(join(host.paths.home, ".keyhole"));
    const second = await host.install({ words: ["--uninstall"] });
    for (const file of [executableFile, ...completionFiles]) {
      expect(second.stderr).toContain(`removed ${join(host.paths.home, file)}\n`);
    }
    const kept = join(host.paths.home, ".keyhole");
    expect(second.stderr).toEndWith(`your configs stay in ${kept}; to remove them, too: rm -rf ${kept}\n`);
    expect([second.stdout, second.exitCode]).toEqual(["", 0]);
    expect(host.files()).toEqual([]);
    expect(existsSync(join(host.paths.home, ".keyhole"))).toBe(true);
  });

  test.each([
    ["no zsh here", undefined, undefined, false],
    ["a zsh that looks elsewhere", "/usr/share/zsh/functions", "autoload -U compinit", true],
    ["a zsh that looks there", "$HOME/.local/share/zsh/site-functions", undefined, false],
    ["a .zshrc that names it", "/usr/share", "fpath=(~/.local/share/zsh/site-functions $fpath)", false],
  ] as const)("--completions with %s", async (_, looks, rc, isSaid) => {
    using host = createHost("0.2.0");
    if (looks !== undefined) host.addTool("zsh", zsh(looks));
    if (rc !== undefined) writeFileSync(join(host.paths.home, ".zshrc"), `${rc}\n`);
    const { stderr } = await host.install({ words: ["--completions"] });
    const line = `above compinit: fpath=(${join(host.paths.home, ".local/share/zsh/site-functions")} $fpath)\n`;
    expect(stderr.includes(line)).toBe(isSaid);
  });

  test("the last line is the next command, as it is found", async () => {
    using host = createHost("0.2.0");
    const next = async (env: Readonly<Record<string, string>>) =>
      (await host.install({ env })).stderr.trimEnd().split("\n").at(-1);
    expect(await next({})).toBe(`next: ${host.paths.executable}    # shows what is there, and what to do`);
    const { PATH } = host.command().env;
    expect(await next({ PATH: `${host.paths.bin}:${PATH}` })).toBe(
      "next: keyhole    # shows what is there, and what to do",
    );
  });

  test("--uninstall --purge removes keyhole's home, and no home that is a person's", async () => {
    using host = createHost();
    host.installOld();
    const home = join(host.paths.home, ".keyhole");
    mkdirSync(join(home, "g", "grant"), { recursive: true });
    chmodSync(join(home, "g"), 0o311);
    mkdirSync(join(host.paths.home, ".aws"));
    writeFileSync(join(host.paths.home, ".aws", "config"), "credential_process = keyhole export\n");
    const link = join(host.paths.root, "link");
    symlinkSync(host.paths.home, link);
    const { root } = host.paths;
    const persons = [host.paths.home, `${host.paths.home}//`, root, "/", "///", `${home}/..`, `${root}/none/..`, link];
    mkdirSync(join(root, "none"));
    for (const KEYHOLE_HOME of [...persons, `${link}/.`, `${link}/.keyhole/g/../..`]) {
      const refused = await host.install({ words: ["--uninstall", "--purge"], env: { KEYHOLE_HOME } });
      expect([KEYHOLE_HOME, refused.exitCode, existsSync(home)]).toEqual([KEYHOLE_HOME, 1, true]);
      expect(refused.stderr).toContain("is more than keyhole's, and stays");
    }
    const { stderr, exitCode } = await host.install({ words: ["--purge", "--uninstall"] });
    expect(stderr).toContain(`removed ${home}\n`);
    expect(stderr).toEndWith(`lines that name keyhole stay in ${join(host.paths.home, ".aws/config")}\n`);
    expect([exitCode, existsSync(home)]).toEqual([0, false]);
    const alone = await host.install({ words: ["--purge"] });
    expect([alone.exitCode, alone.stderr.split("\n")[0]]).toEqual([2, "keyhole: error: --purge goes with --uninstall"]);
  });

  test.each(["data/mine", "docker-compose.yaml", ".hidden", "sessions.json"])(
    "--uninstall --purge removes nothing from a KEYHOLE_HOME that has %s, too",
    async (file) => {
      using host = createHost();
      host.installOld();
      const KEYHOLE_HOME = join(host.paths.home, "shared place");
      const files = ["configs/dev.yaml", "logs/daemon.log", file].map((each) => join("shared place", each));
      for (const each of files) {
        mkdirSync(join(host.paths.home, each, ".."), { recursive: true });
        writeFileSync(join(host.paths.home, each), "");
      }
      const { stderr, exitCode } = await host.install({ words: ["--uninstall", "--purge"], env: { KEYHOLE_HOME } });
      expect(stderr).toContain(`keyhole: error: ${KEYHOLE_HOME} has files that are not keyhole's, and stays\n`);
      expect([exitCode, host.files()]).toEqual([1, files.toSorted()]);
    },
  );

  test("--uninstall --purge leaves another's files in directories that KEYHOLE_HOME had, and where links lead", async () => {
    using host = createHost();
    host.installOld();
    const KEYHOLE_HOME = join(host.paths.home, "-k");
    const own = ["bin/keyhole-0.1.0", "run/dev-00000000.config", "run/sessions.json", "configs/dev.yaml", "g/A/sock"];
    const others = ["bin/tool", "configs/notes.txt", "grants/mine", "run/server.pid", "sock/other.sock"];
    for (const each of [...own, ...others].map((name) => join(KEYHOLE_HOME, name))) {
      mkdirSync(join(each, ".."), { recursive: true });
      writeFileSync(each, "");
    }
    const elsewhere = join(host.paths.home, "elsewhere");
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "daemon.log"), "");
    symlinkSync(elsewhere, join(KEYHOLE_HOME, "logs"));
    const { exitCode } = await host.install({ words: ["--uninstall", "--purge"], env: { KEYHOLE_HOME } });
    expect([exitCode, host.files()]).toEqual([1, [...others.map((name) => `-k/${name}`), "elsewhere/daemon.log"]]);
    // A home that is a link itself is left to the person who made it.
    const link = join(host.paths.home, "link");
    symlinkSync(elsewhere, link);
    const linked = await host.install({ words: ["--uninstall", "--purge"], env: { KEYHOLE_HOME: `${link}/` } });
    expect([linked.exitCode, existsSync(join(elsewhere, "daemon.log"))]).toEqual([1, true]);
    expect(linked.stderr).toContain(`${link} is a symbolic link, and stays`);
  });

  test("completions follow XDG_DATA_HOME and XDG_CONFIG_HOME", async () => {
    using host = createHost("0.2.0");
    const env = { XDG_DATA_HOME: join(host.paths.home, "data"), XDG_CONFIG_HOME: join(host.paths.home, "config") };
    await host.install({ words: ["--completions"], env });
    expect(host.files()).toEqual([
      executableFile,
      "config/fish/completions/keyhole.fish",
      "data/bash-completion/completions/keyhole",
      "data/zsh/site-functions/_keyhole",
    ]);
    await host.install({ words: ["--uninstall"], env });
    expect(host.files()).toEqual([]);
  });

  test("--uninstall, where nothing is, does nothing", async () => {
    using host = createHost();
    expect(await host.install({ words: ["--uninstall"] })).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  });

  test.each(["--help", "-h"])("%s tells on stdout, and does nothing", async (word) => {
    using host = createHost("0.2.0");
    const { stdout, stderr, exitCode } = await host.install({ words: ["--completions", word] });
    expect(stdout).toStartWith("usage: install.sh ");
    for (const text of ["--completions", "--uninstall", "KEYHOLE_INSTALL_DIR", "KEYHOLE_VERSION", "KEYHOLE_BASE_URL"]) {
      expect(stdout).toContain(text);
    }
    expect([stderr, exitCode]).toEqual(["", 0]);
    expect(host.files()).toEqual([]);
  });

  test.each(["--unistall", "-x", "0.2.0", ""])("%p is refused before anything happens", async (word) => {
    using host = createHost("0.2.0");
    const { stdout, stderr, exitCode } = await host.install({ words: ["--completions", word] });
    expect(stderr).toBe(`keyhole: error: unknown option ${word}\nkeyhole: hint: sh install.sh --help\n`);
    expect([stdout, exitCode]).toEqual(["", 2]);
    expect(host.files()).toEqual([]);
  });
});
