import { expect, test } from "bun:test";
import { keyhole as run } from "../../fakes/world.ts";

/** A machine with these groups of its users; `root` is among them. */
function setup(
  words: string,
  groups: Readonly<Record<string, string>>,
  platform: NodeJS.Platform = "linux",
  socket = "/run/k/k.sock",
) {
  const ran: string[] = [];
  const hasGroup = Object.values(groups).some((of) => of.split(" ").includes("keyhole"));
  const result = run(["setup", "agent-access", ...words.split(" ")], {
    environment: { HOME: "/root", SUDO_USER: "op", KEYHOLE_SHARED_SOCKET: socket },
    host: {
      platform,
      userId: () => 0,
      runTool: async ([program, ...rest]) => {
        const user = rest.at(-1)!;
        const known = groups[user];
        if (program === "id" && rest[0] === "-u") {
          return { status: known === undefined ? 1 : 0, stdout: user === "root" ? "0\n" : "1001\n", stderr: "" };
        }
        if (program === "id") return { status: 0, stdout: `${known}\n`, stderr: "" };
        if (program === "getent" || rest[1] === "read") return { status: hasGroup ? 0 : 2, stdout: "", stderr: "" };
        ran.push([program, ...rest].join(" "));
        return { status: 0, stdout: "", stderr: "" };
      },
    },
  });
  return result.then((done) => ({ ...done, ran }));
}

test("the first time it makes group, members and directory", async () => {
  const { exit, ran } = await setup("--agent-user agent", { op: "op", agent: "agent" });
  expect([exit, ran]).toEqual([
    0,
    [
      "groupadd --system keyhole",
      "usermod --append --groups keyhole op",
      "usermod --append --groups keyhole agent",
      "install -d -m 2750 -o op -g keyhole /run/k",
    ],
  ]);
});

test("what is there already stays as it is", async () => {
  const { ran } = await setup("--agent-user agent", { op: "op keyhole", agent: "agent" });
  expect(ran).toEqual(["usermod --append --groups keyhole agent", "install -d -m 2750 -o op -g keyhole /run/k"]);
});

test("a dry run says the same on stdout, and does nothing", async () => {
  const { stdout, ran } = await setup("--agent-user agent --dry-run", { op: "op", agent: "agent" });
  expect(ran).toEqual([]);
  expect(stdout.split("\n")[0]).toBe("$ groupadd --system keyhole");
});

test("with --json it says what it does, and whether it did", async () => {
  const dry = await setup("--agent-user agent --dry-run --json", { op: "op keyhole", agent: "agent" });
  const { stdout, ran } = await setup("--agent-user agent --json", { op: "op keyhole", agent: "agent" });
  expect(JSON.parse(stdout)).toEqual({ directory: "/run/k", commands: ran, done: true });
  expect(JSON.parse(dry.stdout)).toEqual({ directory: "/run/k", commands: ran, done: false });
});

test("on macOS the group is the directory service's, and what lies above is root's, made by nobody else", async () => {
  const { ran } = await setup("--agent-user agent", { op: "staff", agent: "staff" }, "darwin", "/run/a/k/k.sock");
  expect(ran).toEqual([
    "dseditgroup -o create keyhole",
    "dseditgroup -o edit -a op -t user keyhole",
    "dseditgroup -o edit -a agent -t user keyhole",
    "mkdir -m 0755 /run/a",
    "install -d -m 2750 -o op -g keyhole /run/a/k",
  ]);
});

test.each([
  ["--agent-user root", "--agent-user is root"],
  ["--agent-user ghost", "there is no user ghost"],
  ["--agent-user op", "the same user"],
  ["--agent-user agent --daemon-user root", "--daemon-user is root"],
  ["--agent-user agent --group=-g", "--group is not the name"],
])("%s is refused before anything is done", async (words, said) => {
  const { exit, ran, stderr } = await setup(words, { op: "op", agent: "agent", root: "root" });
  expect([exit, ran, stderr]).toEqual([2, [], expect.stringContaining(said)]);
});

test.each(["/tmp/keyhole.sock", "/etc/keyhole.sock", "/tmp/keyhole/keyhole.sock"])(
  "for %s no directory changes its owner or is made where others may",
  async (socket) => {
    const { exit, ran, stdout, stderr } = await setup(
      "--agent-user agent",
      { op: "op", agent: "agent" },
      "linux",
      socket,
    );
    expect([exit, ran, stdout]).toEqual([1, [], ""]);
    expect(stderr).toMatch(/was not made for a shared socket|can be written by others/);
  },
);
