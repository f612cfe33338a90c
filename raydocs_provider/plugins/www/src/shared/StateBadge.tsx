import { Badge } from "@chakra-ui/react";

// Airflow's theme has a palette for each state of a task; those of documents borrow them.
const PALETTES: Record<string, string> = { extracted: "success", submitted: "running", uploaded: "scheduled" };

export function StateBadge({ state }: { state: string | null }) {
  const name = state ?? "no_status";
  return (
    <Badge colorPalette={PALETTES[name] ?? name} size="sm" variant="subtle" whiteSpace="nowrap">
      {name.replaceAll("_", " ")}
    </Badge>
  );
}
