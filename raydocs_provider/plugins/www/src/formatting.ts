/** Numbers, durations and times as people read them. */

const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
// Airflow's UI keeps the time zone that the user has chosen here.
const TIME_ZONE_KEY = "timezone";

export function formatNumber(value: number): string {
  return new Intl.NumberFormat().format(value);
}

/** "1 document", "2,000 documents". */
export function count(value: number, noun: string, plural = `${noun}s`): string {
  return `${formatNumber(value)} ${value === 1 ? noun : plural}`;
}

/** A share in percent. It says 100 % and 0 % only of all and none. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) {
    return "";
  }
  const exact = (100 * part) / whole;
  const rounded = Math.round(exact * 10) / 10;
  const honest = part < whole && rounded >= 100 ? 99.9 : part > 0 && rounded <= 0 ? 0.1 : rounded;
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 }).format(honest)} %`;
}

/** "0.4 s", "12 s", "3 min 5 s", "2 h 5 min", "3 d 4 h". */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) {
    const tenths = Math.round(Math.max(0, seconds) * 10) / 10;
    return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 }).format(tenths)} s`;
  }
  const whole = Math.round(seconds);
  const units: [number, string][] = [
    [DAY, "d"],
    [HOUR, "h"],
    [MINUTE, "min"],
    [SECOND, "s"],
  ];
  const first = units.findIndex(([size]) => whole >= size);
  const parts: string[] = [];
  let left = whole;
  for (const [size, name] of units.slice(first, first + 2)) {
    const number = Math.floor(left / size);
    left -= number * size;
    if (number > 0) {
      parts.push(`${number} ${name}`);
    }
  }
  return parts.join(" ");
}

/** The time zone in which Airflow's UI shows times. */
export function chosenTimeZone(): string {
  try {
    const stored: unknown = JSON.parse(globalThis.localStorage.getItem(TIME_ZONE_KEY) ?? "null");
    if (typeof stored === "string" && stored) {
      return new Intl.DateTimeFormat(undefined, { timeZone: stored }).resolvedOptions().timeZone;
    }
  } catch {
    // Storage that is closed, or a time zone that this browser does not know.
  }
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function formatTime(moment: Date, timeZone: string, style: "long" | "short" = "long"): string {
  return new Intl.DateTimeFormat(undefined, {
    timeZone,
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    ...(style === "long" && { year: "numeric", second: "2-digit" }),
  }).format(moment);
}

/** "2026-11-22 21:03:05 UTC" */
export function formatUtc(moment: Date): string {
  return `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** What a `datetime-local` input shows for a moment: the clock on the wall of a time zone. */
export function toWallTime(moment: Date, timeZone: string): string {
  return wallTime(moment, timeZone).slice(0, 16);
}

/** The moment at which a clock on the wall of a time zone shows this; undefined if the text is no time. */
export function fromWallTime(text: string, timeZone: string): Date | undefined {
  const asIfUtc = Date.parse(`${text}Z`);
  if (Number.isNaN(asIfUtc)) {
    return undefined;
  }
  // The offset depends on the moment, which depends on the offset: the second look settles it around clock changes.
  let moment = asIfUtc;
  for (let look = 0; look < 2; look++) {
    moment -= Date.parse(`${wallTime(new Date(moment), timeZone)}Z`) - asIfUtc;
  }
  return new Date(moment);
}

function wallTime(moment: Date, timeZone: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  }).formatToParts(moment);
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((one) => one.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}-${part("day")}T${part("hour")}:${part("minute")}:${part("second")}`;
}
