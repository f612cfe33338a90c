import { Button, Flex } from "@chakra-ui/react";

import type { Choices } from "../api";
import { nameKind } from "../counts";
import type { Filter } from "../query";
import { Choice } from "../shared/Choice";

interface Props {
  choices: Choices | undefined;
  filters: Record<Filter, string>;
  choose: (name: Filter, value: string) => void;
  /** Undefined: nothing is filtered. */
  clear: (() => void) | undefined;
}

export function Filters({ choices, filters, choose, clear }: Props) {
  const same = (values: string[] = []) => values.map((value) => ({ value, label: value }));
  const options: [Filter, string, { value: string; label: string }[]][] = [
    ["dag_id", "Dag", same(choices?.dags)],
    ["task_id", "Task", same(choices?.tasks)],
    ["template_id", "Template", (choices?.templates ?? []).map(({ id, name }) => ({ value: id, label: name }))],
    [
      "state",
      "State",
      (choices?.states ?? []).map((value) => ({ value, label: value === "none" ? "no status" : value.replaceAll("_", " ") })),
    ],
    ["kind", "Kind", (choices?.kinds ?? []).map((value) => ({ value, label: nameKind(value) }))],
  ];
  return (
    <Flex align="flex-end" aria-label="Filters" data-testid="raydocs-filters" gap={3} mb={4} role="group" wrap="wrap">
      {options.map(([name, label, values]) => (
        <Choice
          choose={(value) => choose(name, value)}
          key={name}
          label={label}
          options={values}
          value={filters[name]}
        />
      ))}
      {clear ? (
        <Button onClick={clear} size="sm" variant="ghost">
          Clear filters
        </Button>
      ) : undefined}
    </Flex>
  );
}
