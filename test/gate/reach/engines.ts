// Docker and Podman, whose recipes are run as somebody pastes them.
import { writeFileSync } from "node:fs";
import { quotePosix } from "../../../src/text/quoting.ts";
import { must, run, until } from "../../interop/run.ts";
import type { Result } from "../../processes.ts";
import type { AgentHost } from "../agenthost.ts";
import { type Docker, docker, type DockerOptions } from "../rigs/docker.ts";
import { guard } from "../rigs/namespaces.ts";
import { type Podman, podman } from "../rigs/podman.ts";
import { places, rigs } from "../rigs/rigs.ts";
import type { Roots } from "../rigs/roots.ts";
import type { RootName } from "../sandbox.ts";
import { openShell, type Shell } from "../shell.ts";
import { environment, nextName, type Reach, withSts } from "./reach.ts";

/**
 * A recipe as someone pastes it who has read IMAGE: a function stands between it and the rig's engine, so that not a
 * word of it changes but that one.
 *
 * @param program what runs the engine, as far as its `run`
 * @param replacement of IMAGE, with the program and its arguments
 */
function pasted(
  tool: string,
  recipe: string,
  program: readonly string[],
  options: readonly string[],
  replacement: readonly string[],
): string[] {
  const engine = [...program, "run", ...options].map(quotePosix).join(" ");
  const lines = recipe.split("\n");
  if (lines.pop() !== "  IMAGE") throw new Error(`no IMAGE at the end: ${recipe}`);
  const script = [`${tool}() { shift; exec ${engine} "$@"; }`, ...lines, replacement.map(quotePosix).join(" ")];
  return [...guard, "sh", "-c", script.join("\n")];
}

/** A whole system in a container: read-only, so that nothing of the grant is kept anywhere else. */
const CONTAINER = ["--interactive", "--network=host", "--read-only", "--tmpfs=/tmp:mode=1777"];

/** An engine, which can also run the grant's own executable in an image that holds nothing. */
export interface EngineReach extends Reach {
  /** Runs the engine, with the options that stand before the command. Once open. */
  readonly engine: readonly string[];
  /** @param options the engine's own, of its `run` */
  alone(host: AgentHost, grant: string, ...options: string[]): Promise<Result>;
  /** A sandbox of an image that was given no grant. */
  bare(host: AgentHost, options: readonly string[], image: string): Promise<Shell>;
  /** An image on top of that of a root, by the lines of a Dockerfile; `context` is what COPY takes from. */
  build(name: string, root: RootName, lines: readonly string[], context: string): Promise<void>;
}

export function dockerReach(roots: Roots, options: DockerOptions): EngineReach {
  const engine = docker(roots, options);
  return { ...engineReach("docker", engine, engine.client, options.images ?? []), uid: 0 };
}

/**
 * A devcontainer.json in the directory of work has the recipe, an image, and options of the engine's `run`. The CLI runs
 * in the engine's network, where it goes on without the list that it looks for.
 *
 * @param engine of Docker, once open
 */
export function devcontainerReach(engine: EngineReach): Reach {
  return {
    ...engine,
    needs: [...engine.needs, rigs.devcontainer],
    async start(host, grant, options = []) {
      const { home } = host.machine;
      const settings = {
        ...(JSON.parse(await host.recipe(grant, "devcontainer")) as object),
        image: "keyhole-gate/debian",
        runArgs: ["--network=host", ...options],
      };
      writeFileSync(`${home}/work/.devcontainer.json`, JSON.stringify(settings));
      const own = { ...environment, HOME: home, DOCKER_HOST: engine.engine[2]! };
      const command = (name: string, ...words: string[]) => [
        ...engine.network(),
        ...guard,
        `${places.agents}/node_modules/.bin/devcontainer`,
        name,
        `--workspace-folder=${home}/work`,
        `--user-data-folder=${home}/devcontainer`,
        ...words,
      ];
      const { containerId } = JSON.parse(await must(command("up"), own)) as { containerId: string };
      const end = async () => void (await must([...engine.engine, "rm", "--force", containerId], environment));
      return withSts(host, openShell(command("exec", "sh"), own, { end }));
    },
  };
}

/**
 * Gemini CLI starts its image with a terminal and without a login. Instead of Google's image one that waits: what is tried
 * comes beside, as into any container.
 *
 * @param engine of Docker, once open
 */
export function geminiReach(engine: EngineReach): Reach {
  return {
    ...engine,
    needs: [...engine.needs, rigs.gemini],
    async start(host, grant, options = []) {
      const { home } = host.machine;
      writeFileSync(`${home}/gemini`, "#!/bin/sh\nexec sleep 600\n", { mode: 0o755 });
      await engine.build("gemini", "debian", ["COPY gemini /usr/local/bin/gemini"], home);
      const own = {
        ...environment,
        HOME: home,
        PATH: `${places.agents}/node_modules/.bin:${environment.PATH}`,
        TERM: "xterm",
        DOCKER_HOST: engine.engine[2]!,
        GEMINI_SANDBOX_IMAGE: "keyhole-gate/gemini",
        SANDBOX_FLAGS: ["--network=host", ...options.filter((option) => !option.startsWith("--workdir"))].join(" "),
      };
      const recipe = await host.recipe(grant, "gemini");
      const paste = `cd ${quotePosix(`${home}/work`)}; ${recipe}`;
      const cli = Bun.spawn([...engine.network(), ...guard, "script", "-qec", paste, "/dev/null"], {
        env: own,
        stdin: "pipe",
        stdout: "ignore",
        stderr: "ignore",
      });
      let container = "";
      const listing = [...engine.engine, "ps", "--quiet", "--filter", "ancestor=keyhole-gate/gemini"];
      await until(
        "Gemini CLI's container",
        60,
        async () => (container = (await must(listing, environment)).trim()) !== "",
      );
      const end = async () => {
        await must([...engine.engine, "rm", "--force", container], environment);
        cli.kill("SIGKILL");
        await cli.exited;
      };
      const enter = [...engine.engine, "exec", "--interactive", container, "sh"];
      return withSts(host, openShell([...engine.network(), ...guard, ...enter], own, { end }));
    },
  };
}

/** @param uid whose it is */
export function podmanReach(roots: Roots, uid: number, images: readonly RootName[]): EngineReach {
  const engine = podman(roots, uid, images);
  return { ...engineReach("podman", engine, engine.engine, images), uid };
}

function engineReach(
  tool: "docker" | "podman",
  rig: Docker | Podman,
  engine: readonly string[],
  images: readonly RootName[],
): Omit<EngineReach, "uid"> {
  function open(
    host: AgentHost,
    options: readonly string[],
    image: string,
    commandOf: (words: readonly string[], inside: readonly string[]) => string[],
  ): Promise<Shell> {
    const name = nextName();
    const command = commandOf([...CONTAINER, `--name=${name}`, ...options], [`keyhole-gate/${image}`, "sh"]);
    // The end of its stdin is the end of the shell; what hangs is killed.
    const kill = async () => void (await run([...engine, "kill", name], environment));
    return withSts(host, openShell(command, environment, { end: kill }));
  }

  return {
    engine,
    needs: [...rig.needs, rigs.socat, ...(images.includes("debian") ? [rigs.debian, rigs.sdk] : [])],
    terms: [],
    open: async () => rig.open?.(),
    close: async () => rig.close?.(),
    network: rig.network,
    async start(host, grant, options = [], image = "debian") {
      const recipe = await host.recipe(grant, tool);
      return open(host, options, image, (words, inside) => pasted(tool, recipe, engine, words, inside));
    },
    bare: (host, options, image) =>
      open(host, options, image, (words, inside) => [...guard, ...engine, "run", "--rm", ...words, ...inside]),
    async alone(host, grant, ...options) {
      const recipe = await host.recipe(grant, tool);
      const image = ["keyhole-gate/empty", "/run/keyhole/keyhole"];
      return run(pasted(tool, recipe, engine, ["--network=none", "--read-only", ...options], image), environment);
    },
    async build(name, root, lines, context) {
      const file = `${context}/Dockerfile.${name}`;
      writeFileSync(file, [`FROM keyhole-gate/${root}`, ...lines, ""].join("\n"));
      const build = [...engine, "build", "--quiet", "--tag", `keyhole-gate/${name}`, "--file", file, context];
      // The classic builder needs no plugin.
      await must(build, { ...environment, DOCKER_BUILDKIT: "0", HOME: context });
    },
  };
}
