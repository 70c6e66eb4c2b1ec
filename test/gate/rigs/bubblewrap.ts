// bubblewrap: every namespace it can make, and the program as pid 1.
import { as } from "../../e2e/daemons.ts";
import { insideEnvironment, type Kind } from "../sandbox.ts";
import { childOf } from "./namespaces.ts";
import { rigs } from "./rigs.ts";
import type { Roots } from "./roots.ts";

/** @param uid who runs bwrap */
export function bubblewrap(roots: Roots, uid: number): Kind {
  return {
    needs: [rigs.bubblewrap],
    command(program, { host, root, uid: inside, dropCapabilities, noProc, noDevices }) {
      const from = roots.pathOf(root);
      const names = root === "busybox" ? ["bin"] : root === "debian" ? ["bin", "lib", "lib64", "usr"] : [];
      return [
        ...as(uid),
        "bwrap",
        "--unshare-all",
        "--as-pid-1",
        "--die-with-parent",
        ...names.flatMap((name) => ["--ro-bind", `${from}/${name}`, `/${name}`]),
        "--ro-bind",
        root === "copied" ? `${from}/keyhole` : host.program,
        "/keyhole",
        "--ro-bind",
        host.directory,
        "/run/keyhole",
        "--tmpfs",
        "/state",
        ...(noProc ? [] : ["--proc", "/proc"]),
        ...(noDevices ? [] : ["--dev", "/dev"]),
        "--remount-ro",
        "/",
        "--clearenv",
        ...(inside === 0 && uid === 0 ? [] : ["--unshare-user", "--uid", `${inside}`, "--gid", `${inside}`]),
        ...(dropCapabilities ? ["--cap-drop", "ALL"] : []),
        ...Object.entries(insideEnvironment).flatMap(([name, value]) => ["--setenv", name, value]),
        "--",
        ...program,
      ];
    },
    async enter(program, { uid: inside }, { child }) {
      const namespaces = ["--user", "--mount", "--net", "--ipc", "--uts", "--pid", "--root", "--wd"];
      const user = [`--setuid=${inside}`, `--setgid=${inside}`];
      return ["nsenter", `--target=${await childOf(child)}`, ...namespaces, ...user, "--", ...program];
    },
    signal: async (signal, { child }) => ["kill", `-${signal}`, String(await childOf(child))],
  };
}
