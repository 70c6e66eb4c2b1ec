// Which role: a client, the daemon, or a child of the daemon, which finds source credentials or calls STS. Each role is
// a dynamic import, so that it loads its own side and nothing of the others; what every SDK asks is
// answered before any of them.
import { answerExpress } from "./client/express.ts";

/** A compiled executable has its own name at index 1, as a script has its path. */
const words = process.argv.slice(2);

const [role, ...rest] = words;

if (role === "--daemon" || role === "--resolve-source" || role === "--sts-worker" || role === "--signer") {
  // To other daemons they are commands, and `pkill -USR1` sends them to all of these; unheeded they end a process.
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const) process.on(signal, () => {});
}

if (role === "--daemon") await (await import("./daemon/main.ts")).main(rest);
else if (role === "--resolve-source") await (await import("./sources/resolve/resolver.ts")).main(rest[0]);
else if (role === "--sts-worker") await (await import("./sources/sts/worker.ts")).main(rest[0]);
else if (role === "--signer") await (await import("./signer/main.ts")).main(rest[0]);
else if (role === "--read-files") await (await import("./files/reader.ts")).main(rest[0]);
else if (role === "prompt" && rest.length === 0) {
  await (await import("./client/prompt.ts")).answerPrompt(process.env);
  // The connection would keep the process until it is closed.
  process.exit(0);
} else {
  if (role === "daemon" && rest.length === 1 && rest[0] === "start") {
    const { startPlainly } = await import("./cli/daemon/launching.ts");
    const status = await startPlainly(process.env, process.execPath);
    if (status !== undefined) process.exit(status);
  }
  const answer = await answerExpress(words, process.env, process.execPath);
  if (answer === "answered") process.exit(0);
  const refusal = answer === "unusual" ? undefined : answer.refusal;
  const { main } = await import("./cli/main.ts");
  await main(
    words,
    async (settings) => (await import("./daemon/inprocess.ts")).openInProcess(settings, process.env),
    refusal,
  );
}
