// moto, an STS that issues credentials to anybody and tells whose they are: it shows which credentials a client used.
import { executables } from "./rigs.ts";
import { freePort, serve, until } from "./run.ts";

export interface Server {
  readonly endpoint: string;
  stop(): Promise<void>;
}

export async function startMoto(directory: string): Promise<Server> {
  const port = freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const log = `${directory}/moto.log`;
  const child = serve([executables.moto, "-H", "127.0.0.1", "-p", `${port}`], { PATH: "/usr/bin:/bin" }, log);
  await until("moto to answer", 30, async () => {
    if (child.exitCode !== null) throw new Error(await Bun.file(log).text());
    return (await fetch(`${endpoint}/moto-api/data.json`)).ok;
  });
  return {
    endpoint,
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
