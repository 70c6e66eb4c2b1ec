// Whether a soak went well: pure functions of its samples.
import { atMost, once, type Row } from "../report.ts";
import type { Sample } from "./samples.ts";

/**
 * KiB a minute that memory may grow by in the second half; one byte lost for every second vend is about as much. What
 * is read between two collections differs by some MiB, so a slope counts as over the limit only where it is by two of
 * its standard errors.
 */
const MOST_SLOPE = 64;
/** The last quarter against the first, by mean. */
const MOST_GROWTH = 1.1;

/** Least squares, per unit of x, with the standard error. */
function slopeOf(points: readonly (readonly [x: number, y: number])[]): { slope: number; error: number } {
  const meanX = meanOf(points.map(([x]) => x));
  const meanY = meanOf(points.map(([, y]) => y));
  const sum = (term: (x: number, y: number) => number) =>
    points.reduce((total, [x, y]) => total + term(x - meanX, y - meanY), 0);
  const spread = sum((x) => x * x);
  const slope = sum((x, y) => x * y) / spread;
  return { slope, error: Math.sqrt(sum((x, y) => (y - slope * x) ** 2) / (points.length - 2) / spread) };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @param samples four at least */
export function judgeMemory(samples: readonly Sample[], of: "resident" | "anonymous" | "childResident"): Row[] {
  const second = samples.slice(Math.floor(samples.length / 2));
  const { slope, error } = slopeOf(second.map((sample) => [sample.minutes, sample[of] * 1024] as const));
  const quarter = Math.floor(samples.length / 4);
  const first = meanOf(samples.slice(0, quarter).map((sample) => sample[of]));
  const last = meanOf(samples.slice(-quarter).map((sample) => sample[of]));
  return [
    {
      what: `${of}, slope of the second half`,
      unit: "KiB/min",
      values: once(slope),
      target: { text: `<= ${MOST_SLOPE}`, isMet: slope - 2 * error <= MOST_SLOPE },
      note: `+- ${error.toFixed(0)}, the standard error`,
    },
    {
      what: `${of}, last quarter`,
      unit: "MiB",
      values: once(last),
      ratio: { to: "first quarter", value: last / first },
      target: atMost(MOST_GROWTH, last / first, " x"),
    },
  ];
}

/**
 * The most of something in the last quarter, against the most in the first: nothing piles up.
 *
 * @param slack what may be more by chance: the runtime's helper threads come and go
 */
export function judgePeak(samples: readonly Sample[], of: "threads" | "files", slack: number): Row {
  const quarter = Math.floor(samples.length / 4);
  const most = (part: readonly Sample[]) => Math.max(...part.map((sample) => sample[of]));
  const before = most(samples.slice(0, quarter));
  const after = most(samples.slice(-quarter));
  return {
    what: `${of}, most in the last quarter`,
    unit: "",
    values: once(after),
    target: atMost(before + slack, after),
    note: `${before} in the first`,
  };
}

/** Something of which there may not be more when the load is gone than there was before it came. */
export function judgeRest(what: string, before: number, after: number): Row {
  return {
    what: `${what} at rest`,
    unit: "",
    values: once(after),
    target: atMost(before, after),
    note: `${before} before the load`,
  };
}

/** Samples as people read them: about `rows` lines, each the mean of its part. */
export function renderSamples(samples: readonly Sample[], rows: number): string {
  const size = Math.max(1, Math.ceil(samples.length / rows));
  const parts = Array.from({ length: Math.ceil(samples.length / size) }, (_, index) =>
    samples.slice(index * size, (index + 1) * size),
  );
  return [headings.map(([title]) => title.padStart(title.length + 1)).join(""), ...parts.map(renderPart)].join("\n");
}

const headings: readonly (readonly [title: string, of: keyof Sample, how: "mean" | "last" | "max" | "sum"])[] = [
  ["    min", "minutes", "last"],
  ["RSS MiB", "resident", "mean"],
  ["   anon", "anonymous", "mean"],
  ["RSS max", "resident", "max"],
  ["worker MiB", "childResident", "mean"],
  [" fds", "descriptors", "max"],
  ["conns", "connections", "max"],
  ["threads", "threads", "max"],
  ["children", "children", "max"],
  ["  answers", "answers", "sum"],
  ["p99 ms", "p99", "max"],
  ["failures", "failures", "last"],
  ["STS calls", "stsCalls", "last"],
  ["log KiB", "logSize", "last"],
  ["files", "files", "max"],
  ["  CPU s", "cpu", "last"],
];

function renderPart(part: readonly Sample[]): string {
  return headings
    .map(([title, of, how]) => {
      const values = part.map((sample) => sample[of]);
      const by = {
        mean: () => meanOf(values),
        last: () => values.at(-1)!,
        max: () => Math.max(...values),
        sum: () => values.reduce((sum, value) => sum + value, 0),
      };
      const value = by[how]();
      return (Number.isInteger(value) ? String(value) : value.toFixed(value >= 1000 ? 0 : 2)).padStart(
        title.length + 1,
      );
    })
    .join("");
}
