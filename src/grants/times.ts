// Times in the files of grants: `YYYY-MM-DDTHH:MM:SSZ`, with milliseconds where there are some.

const TIME = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{3}))?Z$/;

/** @param time milliseconds since the epoch, up to the year 9999 */
export function formatTime(time: number): string {
  return new Date(time).toISOString().replace(".000Z", "Z");
}

/** Milliseconds since the epoch; undefined for what `formatTime` does not write. */
export function parseTime(text: string): number | undefined {
  const [, seconds, fraction = "000"] = TIME.exec(text) ?? [];
  const time = Date.parse(`${seconds}.${fraction}Z`);
  // Date.parse takes the 30th of February for the 2nd of March.
  return Number.isNaN(time) || new Date(time).toISOString() !== `${seconds}.${fraction}Z` ? undefined : time;
}
