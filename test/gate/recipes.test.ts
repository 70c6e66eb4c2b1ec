// The recipes of tools that do not run here, taken apart as their tools would and done by bubblewrap: what is printed
// must be enough for an SDK. Those of docker, podman, bwrap and devcontainer (grants.test.ts) and of agents
// (agents.test.ts) are run as they are.
import { afterAll, expect } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { run, scratch } from "../interop/run.ts";
import { clients } from "./agenthost.ts";
import { executable, roleArn } from "../e2e/machine.ts";
import { type Sts, startSts } from "../sts/server.ts";
import { dockerReach } from "./reach/engines.ts";
import { plainReach } from "./reach/machines.ts";
import { useReach } from "./reach/fixture.ts";
import { createBox } from "./rigs/booted.ts";
import { forward } from "./rigs/network.ts";
import { places, rigs, testWith } from "./rigs/rigs.ts";

const units = scratch("units");
afterAll(() => units.remove());

const { kinds, hostOf } = useReach((roots) => [plainReach(), dockerReach(roots, { images: ["empty"] })]);
const [open, docker] = kinds;

/** What every one of these says in its own way. */
interface Instructions {
  readonly source: string;
  readonly target: string;
  readonly isReadOnly: boolean;
  readonly variables: Readonly<Record<string, string>>;
}

/** `NAME="VALUE"` lines of a unit, by name. */
function settingsOf(unit: string, name: string): string[] {
  return [...unit.matchAll(new RegExp(`^${name}=(".*")$`, "gm"))].map(([, word]) => JSON.parse(word!) as string);
}

const readers: Readonly<Record<string, (recipe: string) => Instructions>> = {
  compose(recipe) {
    const { services, volumes } = Bun.YAML.parse(recipe) as any;
    const [{ source, target, read_only: isReadOnly }] = services.app.volumes;
    return { source: volumes[source].driver_opts.device, target, isReadOnly, variables: services.app.environment };
  },
  kubernetes(recipe) {
    const { spec } = Bun.YAML.parse(recipe) as any;
    const [{ env, volumeMounts }] = spec.containers;
    const [{ name, hostPath }] = spec.volumes;
    expect({ name: volumeMounts[0].name, type: hostPath.type }).toEqual({ name, type: "Directory" });
    const variables = Object.fromEntries(
      env.map((entry: { name: string; value: string }) => [entry.name, entry.value]),
    );
    return {
      source: hostPath.path,
      target: volumeMounts[0].mountPath,
      isReadOnly: volumeMounts[0].readOnly,
      variables,
    };
  },
  lima(recipe) {
    const { mounts, env } = Bun.YAML.parse(recipe) as any;
    const [{ location, mountPoint, writable }] = mounts;
    return { source: location, target: mountPoint, isReadOnly: writable === false, variables: env };
  },
  systemd(recipe) {
    const [, source, target] = /^BindReadOnlyPaths="([^"]+)":"([^"]+)"$/m.exec(recipe)!;
    const entries = settingsOf(recipe, "Environment").map((setting) => {
      const at = setting.indexOf("=");
      return [setting.slice(0, at), setting.slice(at + 1)] as const;
    });
    return { source: source!, target: target!, isReadOnly: true, variables: Object.fromEntries(entries) };
  },
};

/** A machine whose programs are there, and nothing else of it. */
const SYSTEM = ["/usr", "/etc"]
  .flatMap((path) => ["--ro-bind", path, path])
  .concat(
    ["bin", "sbin", "lib", "lib64"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`]),
    ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"],
  );

const set = (variables: Readonly<Record<string, string>>) =>
  Object.entries(variables).flatMap(([name, value]) => ["--setenv", name, value]);

for (const [tool, read] of Object.entries(readers)) {
  testWith(open.needs)(`${tool}: what the recipe mounts and sets is enough for SDKs`, async () => {
    const host = hostOf(open);
    const terms = tool === "lima" ? ["--deliver", "file"] : [];
    const directory = await host.addGrant(`for-${tool}`, ...terms);
    const { source, target, isReadOnly, variables } = read(await host.recipe(`for-${tool}`, tool));
    expect({ source, target, isReadOnly }).toEqual({ source: directory, target: "/run/keyhole", isReadOnly: true });
    await using sandbox = await open.start(host, "", [...SYSTEM, "--ro-bind", source, target, ...set(variables)]);
    for (const client of Object.values(clients))
      expect(host.identityOf(await sandbox.run(client)).role).toBe(`for-${tool}`);
  });
}

testWith([...docker.needs, rigs.compose])(
  "compose: a service beside whose file the recipe is put gets the grant",
  async () => {
    const host = hostOf(docker);
    await host.addGrant("composed");
    const project = scratch("compose");
    try {
      const app = { image: "keyhole-gate/empty", command: ["/run/keyhole/keyhole"], network_mode: "none" };
      writeFileSync(`${project.path}/compose.yaml`, JSON.stringify({ services: { app } }));
      writeFileSync(`${project.path}/compose.override.yaml`, await host.recipe("composed", "compose"));
      const words = [`${places.go}/docker-compose`, "--ansi", "never", "run", "--rm", "-T", "app"];
      const variables = { PATH: "/usr/bin:/bin", HOME: project.path, DOCKER_HOST: docker.engine[2]! };
      const { exitCode, stdout, stderr } = await run(words, variables, 30, project.path);
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
      host.keyOf({ exitCode, stdout, stderr: "" }, "composed");
      // What is gone is not made anew by an engine.
      const { directory } = JSON.parse(await host.keyhole("grant", "path", "composed", "--json")) as Record<
        string,
        string
      >;
      await host.keyhole("grant", "remove", "--yes", "composed");
      expect((await run(words, variables, 30, project.path)).exitCode).not.toBe(0);
      expect(existsSync(directory!)).toBe(false);
    } finally {
      project.remove();
    }
  },
);

/** What a document of this kind may have, and nothing else, as JSON Schema. @param source Kubernetes' own, with references */
async function schemaOf(kind: string, source: string): Promise<unknown> {
  const { definitions } = (await Bun.file(source).json()) as { definitions: Record<string, unknown> };
  const inline = (node: any): any => {
    if (Array.isArray(node)) return node.map(inline);
    if (typeof node !== "object" || node === null) return node;
    if (typeof node.$ref === "string") return inline(definitions[node.$ref.replace("#/definitions/", "")]);
    if (node.format === "int-or-string") return { type: ["string", "integer"] };
    const entries = Object.entries(node).map(([key, value]) => [key, inline(value)]);
    const isClosed = node.type === "object" && typeof node.properties === "object";
    return { ...Object.fromEntries(entries), ...(isClosed && { additionalProperties: false }) };
  };
  return inline(definitions[kind]);
}

testWith([...open.needs, rigs.kubeconform])("kubernetes: the recipe is a Pod as Kubernetes defines it", async () => {
  const host = hostOf(open);
  await host.addGrant("conforming");
  const recipe = await host.recipe("conforming", "kubernetes");
  const schema = `${units.path}/pod.json`;
  await Bun.write(schema, JSON.stringify(await schemaOf("io.k8s.api.core.v1.Pod", `${places.go}/../kubernetes.json`)));
  const check = async (manifest: string) => {
    writeFileSync(`${units.path}/pod.yaml`, manifest);
    const words = ["-strict", "-verbose", "-schema-location", schema, `${units.path}/pod.yaml`];
    return run([`${places.go}/kubeconform`, ...words], { PATH: "/usr/bin:/bin", HOME: units.path });
  };
  expect(await check(recipe)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("Pod conforming is valid"),
  });
  expect((await check(recipe.replace("readOnly", "readonly"))).exitCode).toBe(1);
});

testWith([...open.needs, rigs.analyze])("systemd: the manager finds nothing wrong with the drop-in", async () => {
  const host = hostOf(open);
  await host.addGrant("verified");
  const unit = `${units.path}/agent.service`;
  mkdirSync(`${unit}.d`);
  writeFileSync(unit, "[Service]\nExecStart=/bin/true\n");
  const verify = async (dropIn: string) => {
    writeFileSync(`${unit}.d/keyhole.conf`, dropIn);
    const { exitCode, stderr } = await run(["systemd-analyze", "verify", unit], { PATH: "/usr/bin:/bin" });
    // Of this unit alone: it tells of the machine's own as well.
    return { exitCode, said: stderr.split("\n").filter((line) => line.includes(units.path)) };
  };
  const recipe = `${await host.recipe("verified", "systemd")}\n`;
  expect(await verify(recipe)).toEqual({ exitCode: 0, said: [] });
  expect((await verify(recipe.replace("BindReadOnlyPaths=", "BindReadOnlyPath="))).said).not.toEqual([]);
});

testWith([rigs.systemd, rigs.socat])("systemd: a service that gets the drop-in is the grant's role", async () => {
  const sts = startSts();
  const box = createBox();
  try {
    box.install(executable, "keyhole");
    await box.start();
    const forwarding = await forward(sts.url, box.network());
    try {
      await giveService(box, sts);
      const started = await box.inside(["systemctl", "start", "agent.service"]);
      expect(started).toMatchObject({ exitCode: 0 });
      const { stdout } = await box.inside(["cat", "/var/lib/agent/answer"]);
      const { AccessKeyId, SecretAccessKey } = JSON.parse(stdout) as Record<string, string>;
      const { secretAccessKey, roleArn: role } = sts.issued.get(AccessKeyId!)!;
      expect({ SecretAccessKey, role }).toEqual({ SecretAccessKey: secretAccessKey, role: roleArn("agent") });
    } finally {
      await forwarding.stop();
    }
  } finally {
    await box.stop();
    await box.remove();
    await sts.stop();
  }
});

/**
 * A service of a user that is made for it, whose program is what the config file of the drop-in names. The grant's path
 * has what systemd reads in its own ways.
 */
async function giveService(box: ReturnType<typeof createBox>, sts: Sts): Promise<void> {
  const script = String.raw`set -e
export HOME=/root KEYHOLE_HOME='/root/a b:c%y"d'
mkdir -p -m 700 /root/.aws
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' '${sts.root.accessKeyId}' '${sts.root.secretAccessKey}' >/root/.aws/credentials
keyhole config add -n agent --role-arn ${roleArn("agent")} --set STS.endpoint_url=${sts.url}
keyhole grant add agent --config agent
mkdir -p /etc/systemd/system/agent.service.d
keyhole grant show agent --for systemd >/etc/systemd/system/agent.service.d/keyhole.conf
cat >/etc/systemd/system/agent.service <<'END'
[Service]
Type=oneshot
DynamicUser=yes
StateDirectory=agent
ExecStart=/bin/sh -c 'eval "$(sed -n "s/^credential_process = //p" "$$AWS_CONFIG_FILE" | head -n 1)" >/var/lib/agent/answer'
END
systemctl daemon-reload`;
  expect(await box.inside(["sh", "-c", script])).toMatchObject({ exitCode: 0 });
}

testWith(open.needs)(
  "a tool that cannot carry a socket is told the grant that it can, and that grant works",
  async () => {
    const host = hostOf(open);
    await host.addGrant("wrong");
    for (const tool of ["claude-code", "codex", "srt", "fence", "lima"]) {
      const { exitCode, stdout, stderr } = await host.run("grant", "show", "wrong", "--for", tool);
      expect({ tool, exitCode, stdout }).toEqual({ tool, exitCode: 2, stdout: "" });
      const [, hint] = /^keyhole: hint: keyhole (grant add .*)$/m.exec(stderr)!;
      await host.keyhole(...hint!.split(" "));
      const { text } = { text: await host.recipe("wrong-file", tool) };
      expect(text).toContain((await host.keyhole("grant", "path", "wrong-file")).trimEnd());
      await host.keyhole("grant", "remove", "--yes", "wrong-file");
    }
  },
);
