// A Ceph cluster of three processes on loopback: one monitor, one object store in memory, one S3 and STS gateway (RGW).
// No manager, no authentication worth attacking, nothing on disk that matters: for a test run and no longer.
import type { Subprocess } from "bun";
import { mkdirSync, writeFileSync } from "node:fs";
import type { Server } from "./moto.ts";
import { executables } from "./rigs.ts";
import { freePort, must, run, serve, until } from "./run.ts";

export interface Cluster extends Server {
  /** Runs radosgw-admin. */
  admin(...argv: string[]): Promise<string>;
  /** What the gateway answered so far, out of its own log, whatever a client makes of it. */
  requests(): Promise<Request[]>;
}

export interface Request {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly status: number;
}

const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

/**
 * The processes share the directory, which the caller removes after `stop`. Runs as root: Debian's ceph-mon refuses a
 * data directory that is not its own otherwise.
 */
export async function startCeph(directory: string): Promise<Cluster> {
  const ports = { monitor: freePort(), legacy: freePort(), gateway: freePort() };
  const conf = `${directory}/ceph.conf`;
  for (const name of ["mon", "osd/0", "run", "log", "rgw"]) mkdirSync(`${directory}/${name}`, { recursive: true });
  const identity = crypto.randomUUID();
  writeFileSync(conf, configuration(directory, identity, ports));

  const children: Subprocess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map((child) => child.exited));
  };
  const start = (argv: string[], name: string): Subprocess => {
    const child = serve([...argv, "-c", conf, "-f"], environment, `${directory}/log/${name}.out`);
    children.push(child);
    return child;
  };
  const tool = (...argv: string[]): Promise<string> => must([...argv, "-c", conf], environment);

  try {
    await makeKeyring(`${directory}/keyring`);
    await makeMonitor(directory, identity, ports);
    start([executables.monitor, "-i", "a"], "mon");
    await makeStorage(directory, tool);
    start([executables.storage, "-i", "0"], "osd");
    const gateway = start([executables.gateway, "-n", "client.rgw.a", "--rgw-data", `${directory}/rgw`], "rgw");
    const log = `${directory}/log/client.rgw.a.log`;
    const endpoint = `http://127.0.0.1:${ports.gateway}`;
    await until("the gateway to answer", 60, async () => {
      if (gateway.exitCode !== null) throw new Error(await Bun.file(log).text());
      return (await fetch(endpoint)).ok;
    });
    return {
      endpoint,
      stop,
      admin: (...argv) => tool("radosgw-admin", ...argv),
      requests: async () => parseLog(await Bun.file(log).text()),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** `… beast: 0x7f…: 127.0.0.1 - source [20/Nov/2026:13:06:51.105 +0000] "PUT /b/k HTTP/1.1" 403 236 - "curl/7.88.1" …` */
function parseLog(log: string): Request[] {
  const entries = log.matchAll(/ beast: .*? "([A-Z]+) (\S+) HTTP\/1\.1" (\d+) /g);
  return [...entries].map(([, method, path, status]) => ({ method: method!, path: path!, status: Number(status) }));
}

interface Ports {
  readonly monitor: number;
  readonly legacy: number;
  readonly gateway: number;
}

/** `rgw sts min session duration` is 900 s as delivered; 1 allows sessions that end while a test watches. */
function configuration(directory: string, identity: string, ports: Ports): string {
  return `[global]
fsid = ${identity}
mon initial members = a
mon host = ${monitorAddress(ports)}
public network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = ${directory}/keyring
run dir = ${directory}/run
log file = ${directory}/log/$name.log
admin socket = ${directory}/run/$name.asok
pid file = ${directory}/run/$name.pid
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 5000
ms bind ipv4 = true
osd class load list = *
osd class default list = *
[mon.a]
mon data = ${directory}/mon/a
[osd.0]
osd data = ${directory}/osd/0
keyring = ${directory}/osd/0/keyring
osd objectstore = memstore
memstore device bytes = 1073741824
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:${ports.gateway}
rgw sts key = abcdefghijklmnop
rgw s3 auth use sts = true
rgw s3 auth order = sts, local
rgw enable usage log = false
rgw sts min session duration = 1
debug rgw = 1
`;
}

function monitorAddress(ports: Ports): string {
  return `[v2:127.0.0.1:${ports.monitor}/0,v1:127.0.0.1:${ports.legacy}/0]`;
}

/** Without cephx ("auth … = none") the gateway hangs, so everybody gets a key that may do everything. */
async function makeKeyring(keyring: string): Promise<void> {
  const key = (name: string, ...services: string[]): string[] => {
    const capabilities = services.flatMap((service) => ["--cap", service, "allow *"]);
    return ["ceph-authtool", keyring, "--gen-key", "-n", name, ...capabilities];
  };
  await must([...key("mon.", "mon"), "--create-keyring"], environment);
  await must(key("client.admin", "mon", "osd", "mgr"), environment);
  await must(key("client.rgw.a", "mon", "osd"), environment);
}

async function makeMonitor(directory: string, identity: string, ports: Ports): Promise<void> {
  const map = `${directory}/monmap`;
  const address = monitorAddress(ports);
  await must(["monmaptool", "--create", "--fsid", identity, "--addv", "a", address, map], environment);
  const files = ["--monmap", map, "--keyring", `${directory}/keyring`, "-c", `${directory}/ceph.conf`];
  await must([executables.monitor, "--mkfs", "-i", "a", ...files], environment);
}

/** Registers the store with the monitor, which answers a second or two after its start. */
async function makeStorage(directory: string, tool: (...argv: string[]) => Promise<string>): Promise<void> {
  const identity = crypto.randomUUID();
  const conf = `${directory}/ceph.conf`;
  await until("the monitor to answer", 60, async () => {
    const { exitCode } = await run(
      ["ceph", "-c", conf, "--connect-timeout", "10", "osd", "new", identity],
      environment,
    );
    return exitCode === 0;
  });
  const capabilities = ["mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"];
  await tool("ceph", "auth", "get-or-create", "osd.0", ...capabilities, "-o", `${directory}/osd/0/keyring`);
  await tool(executables.storage, "-i", "0", "--mkfs", "--osd-uuid", identity);
}
