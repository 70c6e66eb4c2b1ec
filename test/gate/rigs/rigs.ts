// Which sandboxes this machine has, and what to do about one that is missing.
import { test } from "bun:test";
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { homedir } from "node:os";
import { isMissing, type Rig } from "../../interop/rigs.ts";

/** What install.sh makes; outside the repository, kept between runs. */
const cache =
  process.env["KEYHOLE_GATE_CACHE"] ?? `${process.env["XDG_CACHE_HOME"] ?? `${homedir()}/.cache`}/keyhole-gate`;

const install = "run test/gate/install.sh";
const busybox = Bun.which("busybox");

/** Seen by all sandboxes that see this machine's programs. */
export const NODE = "/usr/bin/node";

/** Where things are. */
export const places = {
  agents: `${cache}/agents`,
  debian: `${cache}/debian`,
  go: `${cache}/go/bin`,
  systemd: `${cache}/systemd`,
  busybox: busybox ?? "",
};

export const rigs = {
  // A dynamic busybox would look for a loader that an otherwise empty root does not have.
  busybox: { name: "busybox-static", files: [busybox && isStatic(busybox) ? busybox : null], install },
  debian: { name: "a root made by debootstrap", files: [places.debian], install },
  /** The same root: an older install.sh made it without. */
  sdk: { name: "boto3 and the AWS CLI in that root", files: [`${places.debian}/opt/sdk.txt`], install },
  systemd: { name: "a Debian that boots", files: [`${cache}/systemd`, Bun.which("systemd-nspawn")], install },
  socat: { name: "socat", files: [Bun.which("socat")], install },
  analyze: { name: "systemd-analyze", files: [Bun.which("systemd-analyze")], install },
  firejail: { name: "firejail", files: [Bun.which("firejail")], install },
  docker: { name: "Docker", files: [Bun.which("docker"), Bun.which("dockerd")], install },
  compose: { name: "Compose 2", files: [`${places.go}/docker-compose`], install },
  podman: { name: "Podman", files: [Bun.which("podman"), Bun.which("runc")], install },
  rootless: { name: "rootless Podman", files: [Bun.which("podman"), Bun.which("newuidmap")], install },
  bubblewrap: { name: "bubblewrap", files: [Bun.which("bwrap")], install },
  agents: {
    name: "sandbox-runtime, Codex and Claude Code",
    files: ["srt", "codex", "claude"].map((name) => `${cache}/agents/node_modules/.bin/${name}`),
    install,
  },
  devcontainer: { name: "the devcontainer CLI", files: [`${cache}/agents/node_modules/.bin/devcontainer`], install },
  gemini: { name: "Gemini CLI", files: [`${cache}/agents/node_modules/.bin/gemini`], install },
  kubeconform: { name: "kubeconform", files: [`${places.go}/kubeconform`, `${places.go}/../kubernetes.json`], install },
  fence: { name: "fence", files: [`${cache}/go/bin/fence`], install },
  node: { name: "Node.js", files: [existsSync(NODE) ? NODE : null], install },
  ripgrep: { name: "ripgrep", files: [Bun.which("rg")], install },
  gvisor: { name: "gVisor's runsc", files: [`${places.go}/runsc`], install },
} satisfies Record<string, Rig>;

/**
 * Whether this machine lets a test have namespaces and mounts of its own. One that does not can run no rig at all: its
 * tests are skipped in CI too.
 */
const canIsolate =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  ["unshare", "nsenter", "setpriv", "mount"].every((tool) => Bun.which(tool) !== null) &&
  Bun.spawnSync(["unshare", "--mount", "--net", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]).exitCode ===
    0;

const reported = new Set<string>();

type Runner = (title: string, body: () => Promise<void>) => void;

/** `run`, if every rig is here; otherwise a skipped test that says what is missing, or in CI a failed one. */
export function testWith(needed: readonly Rig[], run: Runner = test): Runner {
  const missing = needed.find(isMissing);
  if (canIsolate && !missing) return run;
  const reason =
    canIsolate && missing ? `${missing.name} is missing: ${missing.install}` : "no namespaces: run as root";
  if (process.env["CI"] && canIsolate)
    return (title) =>
      test(title, () => {
        throw new Error(reason);
      });
  if (!reported.has(reason)) console.error(`NOT TESTED, gate: ${reason}`);
  reported.add(reason);
  return (title, body) => test.skip(`${title} (skipped: ${reason})`, body);
}

/** Whether everything that these need can be set up, so that `beforeAll` may. */
export function isReady(...needed: readonly Rig[]): boolean {
  return canIsolate && !needed.some(isMissing);
}

/** Whether an ELF file asks for no loader: PT_INTERP (3) among its program headers (System V ABI, chapter 5). */
function isStatic(path: string): boolean {
  if (!existsSync(path)) return false;
  const head = new DataView(new ArrayBuffer(4096));
  const descriptor = openSync(path, "r");
  readSync(descriptor, head, 0, head.byteLength, 0);
  closeSync(descriptor);
  const table = Number(head.getBigUint64(32, true));
  const size = head.getUint16(54, true);
  const types = Array.from({ length: head.getUint16(56, true) }, (_, at) => head.getUint32(table + at * size, true));
  return !types.includes(3);
}
