import { describe, expect, it } from "vitest";

import { count, formatDuration, formatShare, fromWallTime, toWallTime } from "./formatting";

describe("durations", () => {
  it.each([
    [0, "0 s"],
    [0.44, "0.4 s"],
    [12.4, "12 s"],
    [59.6, "1 min"],
    [185, "3 min 5 s"],
    [7500, "2 h 5 min"],
    [3600, "1 h"],
    [273_600, "3 d 4 h"],
    [86_401, "1 d"],
  ])("of %d seconds read %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe("shares", () => {
  it("say 100 % of all only", () => {
    expect(formatShare(9999, 10_000)).toBe("99.9 %");
    expect(formatShare(10_000, 10_000)).toBe("100 %");
  });

  it("say 0 % of none only", () => {
    expect(formatShare(1, 10_000)).toBe("0.1 %");
    expect(formatShare(0, 10_000)).toBe("0 %");
  });

  it("say nothing where there is nothing", () => {
    expect(formatShare(0, 0)).toBe("");
  });
});

it("counts one document and many documents", () => {
  expect([count(1, "document"), count(2000, "document")]).toEqual(["1 document", "2,000 documents"]);
});

describe("times on the wall", () => {
  it.each(["UTC", "Europe/Paris", "Asia/Kolkata", "America/St_Johns", "Pacific/Auckland"])(
    "are read as they are written, in %s",
    (zone) => {
      for (let hour = 0; hour < 366 * 24; hour += 7) {
        const moment = new Date(Date.UTC(2028, 0, 1) + hour * 3_600_000);
        const text = toWallTime(moment, zone);
        const read = fromWallTime(text, zone);
        // In the hour that a clock shows twice, either moment is right.
        expect(read && toWallTime(read, zone)).toBe(text);
      }
    },
  );

  it("know the summer time", () => {
    expect(fromWallTime("2026-07-01T12:00", "Europe/Paris")?.toISOString()).toBe("2026-07-01T10:00:00.000Z");
    expect(fromWallTime("2026-01-01T12:00", "Europe/Paris")?.toISOString()).toBe("2026-01-01T11:00:00.000Z");
  });

  it("are nothing where nothing is written", () => {
    expect(fromWallTime("", "UTC")).toBeUndefined();
  });
});
