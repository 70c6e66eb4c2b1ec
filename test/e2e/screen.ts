// A terminal of 80 columns and 24 lines, and what a person sees on it.
import { Terminal } from "@xterm/headless";

const SIZE = { cols: 80, rows: 24 };

export class Screen implements AsyncDisposable {
  readonly #screen = new Terminal({ ...SIZE, allowProposedApi: true });
  readonly #child: Bun.Subprocess;
  readonly #terminal: Bun.Terminal;
  #changed = () => {};

  constructor(command: readonly string[], environment: Readonly<Record<string, string>>) {
    this.#terminal = new Bun.Terminal({
      ...SIZE,
      data: (_, bytes) => this.#screen.write(bytes, () => this.#changed()),
    });
    this.#child = Bun.spawn([...command], { terminal: this.#terminal, env: { TERM: "xterm", ...environment } });
  }

  /** The lines as they are now, without blanks at their ends, nor empty lines at the end. */
  get text(): string {
    const { active } = this.#screen.buffer;
    const lines = Array.from(
      { length: SIZE.rows },
      (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? "",
    );
    return lines.join("\n").trimEnd();
  }

  /** Lines that have left the screen at its top. */
  get scrolled(): number {
    return this.#screen.buffer.active.baseY;
  }

  /** Waits until the screen shows a text; the test's own deadline ends it. */
  async shows(text: string | RegExp): Promise<string> {
    while (this.text.search(text) === -1) await new Promise<void>((resolve) => (this.#changed = resolve));
    return this.text;
  }

  type(keys: string): void {
    this.#terminal.write(keys);
  }

  async end(): Promise<string> {
    await this.#child.exited;
    // Bun says so before it has read all that the child wrote; a title that is set behind that comes last.
    const titled = new Promise<void>((resolve) => this.#screen.onTitleChange(() => resolve()));
    await Bun.spawn(["printf", "\\033]0;ended\\007"], { terminal: this.#terminal }).exited;
    await titled;
    return this.text;
  }

  async [Symbol.asyncDispose]() {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    if (!this.#terminal.closed) this.#terminal.close();
    this.#screen.dispose();
  }
}
