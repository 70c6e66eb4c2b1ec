// A terminal that is read and typed into as a person would: nothing is typed before its question is there.

export class Person implements AsyncDisposable {
  readonly #child: Bun.Subprocess;
  readonly #terminal: Bun.Terminal;
  #seen = "";
  #arrived = () => {};

  constructor(command: readonly string[], environment: Readonly<Record<string, string>>) {
    this.#terminal = new Bun.Terminal({
      cols: 120,
      rows: 40,
      data: (_, bytes) => {
        this.#seen += new TextDecoder().decode(bytes);
        this.#arrived();
      },
    });
    this.#child = Bun.spawn([...command], {
      terminal: this.#terminal,
      env: { PATH: process.env["PATH"] ?? "", TERM: "xterm", ...environment },
    });
  }

  /** Waits for a text behind the last one that was waited for, and resolves to all up to it; the test's own deadline ends it. */
  async sees(text: string | RegExp): Promise<string> {
    const find = () => (typeof text === "string" ? this.#seen.indexOf(text) : this.#seen.search(text));
    while (find() === -1) await new Promise<void>((resolve) => (this.#arrived = resolve));
    const length = typeof text === "string" ? text.length : text.exec(this.#seen)![0].length;
    const end = find() + length;
    const passed = this.#seen.slice(0, end);
    this.#seen = this.#seen.slice(end);
    return passed;
  }

  /** Resolves to what was there up to the question. */
  async answers(question: string, keys: string): Promise<string> {
    const passed = await this.sees(question);
    this.#terminal.write(keys);
    return passed;
  }

  /** Closes the window: what runs in it reads an end or an error, and gets no signal, as it has another session. */
  leaves(): void {
    this.#terminal.close();
  }

  /** What is on the screen behind the last text that was waited for, once this stands at its end. */
  async seenUntil(text: string): Promise<string> {
    while (!this.#seen.trimEnd().endsWith(text)) await new Promise<void>((resolve) => (this.#arrived = resolve));
    return this.#seen;
  }

  exit(): Promise<number> {
    return this.#child.exited;
  }

  async [Symbol.asyncDispose]() {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    if (!this.#terminal.closed) this.#terminal.close();
  }
}
