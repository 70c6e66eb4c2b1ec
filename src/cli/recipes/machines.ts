// Clusters, services and virtual machines.
import { quotePosix } from "../../text/quoting.ts";
import { type MakeRecipe, quoteJson, requireFile, targetOf, untried, variablesFor } from "./recipe.ts";

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
