import { Box, SimpleGrid, Text } from "@chakra-ui/react";

import type { Summary } from "../api";
import { count, formatDuration, formatNumber, formatShare } from "../formatting";

interface Card {
  id: string;
  label: string;
  value: string;
  note: string;
  color?: string;
}

/** What all tasks of the period add up to. */
export function SummaryCards({ summary, now }: { summary: Summary; now: Date }) {
  return (
    <SimpleGrid as="dl" columns={{ base: 2, md: 4, "2xl": 8 }} data-testid="raydocs-summary" gap={3} mb={5}>
      {describe(summary, now).map((card) => (
        <Box borderRadius="md" borderWidth={1} data-testid={`raydocs-card-${card.id}`} key={card.id} p={3}>
          <Text as="dt" color="fg.muted" textStyle="xs">
            {card.label}
          </Text>
          <Box as="dd">
            <Text color={card.color ?? "fg"} fontVariantNumeric="tabular-nums" fontWeight="semibold" textStyle="xl">
              {card.value}
            </Text>
            <Text color="fg.muted" textStyle="xs">
              {card.note}
            </Text>
          </Box>
        </Box>
      ))}
    </SimpleGrid>
  );
}

function describe(summary: Summary, now: Date): Card[] {
  const { documents, extracted, failed, skipped, open, oldest_open: oldest, seconds } = summary;
  const age = oldest === null ? undefined : Math.max(0, now.getTime() / 1000 - oldest);
  const waits = [
    // Airflow forgets what an attempt has left when the next one begins, and a killed one has not told its last.
    "of last attempts",
    summary.limited > 0 ? `${formatNumber(summary.limited)} refused (429)` : "none refused",
    summary.budget_wait >= 1 ? `waited ${formatDuration(summary.budget_wait)}` : "",
  ];
  return [
    {
      id: "documents",
      label: "Documents",
      value: formatNumber(documents),
      note: `in ${count(summary.tasks, "task instance")}${skipped > 0 ? `, ${formatNumber(skipped)} landed before` : ""}`,
    },
    {
      id: "extracted",
      label: "Extracted",
      value: formatNumber(extracted),
      note: formatShare(extracted, documents - skipped),
    },
    {
      id: "failed",
      label: "Failed",
      value: formatNumber(failed),
      note: failed > 0 ? formatShare(failed, documents - skipped) : "",
      ...(failed > 0 && { color: "failed.fg" }),
    },
    {
      id: "open",
      label: "With Raydocs now",
      value: formatNumber(open),
      note: age === undefined ? "" : `oldest for ${formatDuration(age)}`,
    },
    {
      id: "to_review",
      label: "To review",
      value: formatNumber(summary.to_review),
      note: "",
      ...(summary.to_review > 0 && { color: "fg.warning" }),
    },
    { id: "rows", label: "Rows landed", value: formatNumber(summary.rows), note: "" },
    {
      id: "requests",
      label: "API requests",
      value: formatNumber(summary.requests),
      note: waits.filter(Boolean).join(", "),
    },
    {
      id: "seconds",
      label: "Time per document",
      value: seconds ? formatDuration(seconds.p50) : "-",
      note: seconds ? `half are faster; 9 of 10 within ${formatDuration(seconds.p90)}` : "none measured yet",
    },
  ];
}
