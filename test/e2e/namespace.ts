// A mount namespace of a test's own, which lasts as long as the process that holds it.

/**
 * Runs lines of a shell in a new namespace, which then waits there. Ends with this process, however that ends.
 *
 * @param lines the last of them says something, which is what is waited for
 */
export async function holdNamespace(lines: readonly string[]) {
  const guard = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"];
  const script = ["set -e", ...lines, "exec sleep infinity"].join("\n");
  const holder = Bun.spawn([...guard, "sh", "-c", script], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const { value } = await holder.stdout.getReader().read();
  if (value === undefined) throw new Error(await new Response(holder.stderr).text());
  return {
    said: new TextDecoder().decode(value).trim(),
    /** What runs words in it. */
    enter: ["nsenter", "--target", String(holder.pid), "--mount", "--"] as readonly string[],
    async end(): Promise<void> {
      holder.kill("SIGKILL");
      await holder.exited;
    },
  };
}
