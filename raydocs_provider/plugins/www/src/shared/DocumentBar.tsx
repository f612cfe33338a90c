import { Box, Flex } from "@chakra-ui/react";

import type { Counts } from "../api";
import { describeCounts } from "../counts";

const PARTS = [
  ["extracted", "success.solid"],
  ["skipped", "skipped.solid"],
  ["failed", "failed.solid"],
  ["submitted", "running.solid"],
  ["uploaded", "scheduled.solid"],
] as const;

/** How far the documents of a task are, as a bar with a part for each state. */
export function DocumentBar({ counts }: { counts: Counts }) {
  const settled = (counts.extracted ?? 0) + (counts.skipped ?? 0) + (counts.failed ?? 0);
  return (
    <Flex
      aria-label="Documents that are settled"
      aria-valuemax={counts.total}
      aria-valuemin={0}
      aria-valuenow={settled}
      aria-valuetext={describeCounts(counts)}
      bg="bg.emphasized"
      borderRadius="full"
      h={2}
      minW="6rem"
      overflow="hidden"
      role="progressbar"
      title={describeCounts(counts)}
      w="full"
    >
      {PARTS.map(([state, color]) => {
        const share = counts.total > 0 ? (counts[state] ?? 0) / counts.total : 0;
        // One of two thousand is still to be seen.
        return share > 0 ? <Box bg={color} key={state} minW="3px" style={{ width: `${100 * share}%` }} /> : undefined;
      })}
    </Flex>
  );
}
