// Container engines on Linux: the directory is mounted, a socket in it works from any uid and user namespace.
import { grantIdOf } from "../../grants/names.ts";
import { baseOf } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import {
  carried,
  type Invocation,
  type MakeRecipe,
  mountField,
  paste,
  quoteJson,
  requireFile,
  targetOf,
  untried,
  variablesFor,
} from "./recipe.ts";

type Engine = "docker" | "podman";

export const docker: MakeRecipe = (grant) => run("docker", grant);

export const podman: MakeRecipe = (grant) => run("podman", grant);

/** gVisor as Docker's runtime: whether it lets sockets of the host in is a setting of the runtime, not of a container. */
export const gvisor: MakeRecipe = (grant) => {
  const settings = { runsc: { path: "/usr/local/bin/runsc", runtimeArgs: ["--host-uds=open"] } };
  const needs = [
    "# in /etc/docker/daemon.json, without which a grant has to be delivered as a file:",
    `#   ${JSON.stringify({ runtimes: settings })}`,
  ];
  const { text, remarks } = run("docker", grant, "--runtime=runsc");
  return { text: [`# ${untried("gVisor")}`, ...(grant.deliver === "socket" ? needs : []), text].join("\n"), remarks };
};

/** What both engines' `run` is told; an image follows, and what is to run in it. */
export function invokeEngine(engine: Engine, grant: GrantInfo, ...options: readonly string[]): Invocation {
  const source = mountField("src", grant.directory);
  const readOnly = engine === "docker" ? "readonly" : "ro=true";
  return {
    variables: [],
    lines: [
      [engine, "run", "--rm", ...options],
      ["--mount", ["type=bind", source, mountField("dst", targetOf(grant)), readOnly].join(",")],
      ["--env-file", `${grant.directory}/env`],
      // A sandbox whose requests are signed needs no network of its own.
      ...(grant.sign === undefined ? [] : [["--network", "none"]]),
    ],
    settings: undefined,
    program: (words) => carried(grant, words),
  };
}

function run(engine: Engine, grant: GrantInfo, ...options: readonly string[]) {
  const command = grant.sign === undefined ? [] : carried(grant, ["COMMAND"]);
  const text = paste({ ...invokeEngine(engine, grant, ...options), program: () => ["IMAGE", ...command] });
  return { text: [...selinux(grant), text].join("\n"), remarks: [] };
}

/** container_t may connect to no socket of an unconfined process, whatever label the file has. */
function selinux(grant: GrantInfo): string[] {
  if (grant.deliver === "socket") {
    return ["# with SELinux (Fedora, RHEL) add: --security-opt label=disable"];
  }
  const volume = quotePosix(`${grant.directory}:${targetOf(grant)}:ro,z`);
  return [`# with SELinux (Fedora, RHEL) instead of --mount: --volume ${volume}`];
}

/**
 * A volume instead of a bind: Compose makes what it does not find there, unless it is told not to by an option that its
 * version 1 refuses. It outlives the service, so its name is one of this directory.
 */
export const compose: MakeRecipe = (grant) => {
  const volume = `keyhole-${grantIdOf(baseOf(grant.directory)).slice(0, 8)}`;
  const lines = [
    "# compose.override.yaml, beside your compose.yaml; app is the name of the service there",
    "# with SELinux (Fedora, RHEL) add: security_opt: [label=disable]",
    "services:",
    "  app:",
    "    volumes:",
    "      - type: volume",
    `        source: ${volume}`,
    `        target: ${composeString(targetOf(grant))}`,
    "        read_only: true",
    "        volume:",
    "          nocopy: true",
    "    environment:",
    ...variablesFor(grant).map(([name, value]) => `      ${name}: ${composeString(value)}`),
    "volumes:",
    `  ${volume}:`,
    "    driver_opts:",
    "      type: none",
    "      o: bind",
    `      device: ${composeString(grant.directory)}`,
  ];
  return { text: lines.join("\n"), remarks: [] };
};

/** Compose replaces `$NAME`; a doubled dollar is one. */
function composeString(text: string): string {
  return quoteJson(text.replaceAll("$", "$$$$"));
}

export const devcontainer: MakeRecipe = (grant) => {
  const mount = ["type=bind", mountField("source", grant.directory), mountField("target", targetOf(grant)), "readonly"];
  const settings = { mounts: [mount.join(",")], containerEnv: Object.fromEntries(variablesFor(grant)) };
  return {
    text: JSON.stringify(settings, undefined, 2),
    remarks: [
      "these keys belong into devcontainer.json; the path is of this machine: keep it out of shared repositories",
    ],
  };
};

/** For a node that is this machine, as in kind, k3s and minikube with its `none` driver. */
export const kubernetes: MakeRecipe = (grant) => {
  const lines = [
    `# ${untried("Kubernetes")}`,
    "# for a development cluster whose node sees this machine's files; on EKS prefer Pod Identity",
    "apiVersion: v1",
    "kind: Pod",
    "metadata:",
    `  name: ${quoteJson(grant.name)}`,
    "spec:",
    "  containers:",
    "    - name: app",
    "      image: IMAGE",
    "      env:",
    ...variablesFor(grant).map(([name, value]) => `        - {name: ${name}, value: ${quoteJson(value)}}`),
    "      volumeMounts:",
    `        - {name: keyhole, mountPath: ${quoteJson(targetOf(grant))}, readOnly: true}`,
    "  volumes:",
    "    - name: keyhole",
    `      hostPath: {path: ${quoteJson(grant.directory)}, type: Directory}`,
  ];
  return { text: lines.join("\n"), remarks: [] };
};

/** A system service: the manager mounts, so the service's own user need not reach the directory. */
export const systemd: MakeRecipe = (grant) => {
  const target = targetOf(grant);
  const lines = [
    "# /etc/systemd/system/NAME.service.d/keyhole.conf, then: systemctl daemon-reload",
    "[Service]",
    `BindReadOnlyPaths=${unitWord(grant.directory)}:${unitWord(target)}`,
    ...variablesFor(grant).map(([name, value]) => `Environment=${unitWord(`${name}=${value}`)}`),
    ...(grant.deliver === "socket" ? ["# where RestrictAddressFamilies= is set, AF_UNIX must be in it"] : []),
  ];
  return { text: lines.join("\n"), remarks: [] };
};

/** systemd.syntax(7): a quoted word, in which `%` begins a specifier, and a colon separates nothing. */
function unitWord(text: string): string {
  return quoteJson(text).replaceAll("%", "%%");
}

/** A mount carries no sockets into a virtual machine. */
export const lima: MakeRecipe = (grant) => {
  requireFile(grant, "a virtual machine does not reach a socket through a mount");
  const target = targetOf(grant);
  const lines = [
    `# ${untried("Lima")}`,
    `# of the instance's lima.yaml; a file that was cached may be an old one: look with cat ${quotePosix(`${target}/lease.json`)}`,
    "mounts:",
    `  - location: ${quoteJson(grant.directory)}`,
    `    mountPoint: ${quoteJson(target)}`,
    "    writable: false",
    "env:",
    ...variablesFor(grant).map(([name, value]) => `  ${name}: ${quoteJson(value)}`),
  ];
  return { text: lines.join("\n"), remarks: [] };
};
