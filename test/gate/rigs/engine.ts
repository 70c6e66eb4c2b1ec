// What Docker and Podman have in common: their command line. Images have the names of the roots.
import { insideEnvironment, type Kind, type Options } from "../sandbox.ts";

/** @param engine runs `docker` or `podman`, with the options that stand before the command */
export function engineKind(
  needs: Kind["needs"],
  engine: readonly string[],
  extra: readonly string[],
): Omit<Kind, "open" | "close"> {
  return {
    needs,
    command(program, options, name) {
      return [
        ...engine,
        "run",
        "--rm",
        `--name=${name}`,
        ...extra,
        ...restrictions(options),
        image(options),
        ...program,
      ];
    },
    enter: async (program, _, { name }) => [...engine, "exec", name, ...program],
    signal: async (signal, { name }) => [...engine, "kill", `--signal=${signal}`, name],
  };
}

function image({ root }: Pick<Options, "root">): string {
  return `keyhole-gate/${root}`;
}

function restrictions({ host, root, uid, dropCapabilities }: Options): string[] {
  return [
    "--network=none",
    "--read-only",
    "--tmpfs=/state:mode=1777",
    `--volume=${host.directory}:/run/keyhole:ro`,
    ...(root === "copied" ? [] : [`--volume=${host.program}:/keyhole:ro`]),
    ...(uid === 0 ? [] : [`--user=${uid}:${uid}`]),
    ...(dropCapabilities ? ["--cap-drop=ALL"] : []),
    ...Object.entries(insideEnvironment).map(([variable, value]) => `--env=${variable}=${value}`),
  ];
}
