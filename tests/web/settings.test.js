// The reminder for a calendar: how a person without an e-mail address learns that something waits.
import assert from "node:assert/strict";
import { test } from "node:test";

import { calendar } from "../../consent/web/screens/settings.js";
import { setLocale } from "../../consent/web/words.js";

test("the calendar file repeats each month, and says nothing of the person", () => {
  setLocale("en");
  const now = Date.parse("2026-05-02T01:02:03Z") / 1000, file = calendar("https://v.example/", now);
  assert.deepEqual(file.split("\r\n"), ["BEGIN:VCALENDAR", "VERSION:2.0",
    "PRODID:-//Carbon Vault//EN", "BEGIN:VEVENT", "UID:monthly@v.example",
    "DTSTAMP:20260502T010203Z", "DTSTART;VALUE=DATE:20260512", "RRULE:FREQ=MONTHLY;BYMONTHDAY=12",
    "SUMMARY:Open Carbon Vault", "URL:https://v.example/", "END:VEVENT", "END:VCALENDAR", ""]);
});
