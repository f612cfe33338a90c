import { Button, ButtonGroup, Field, Flex, Input } from "@chakra-ui/react";

import { chosenTimeZone, fromWallTime, toWallTime } from "../formatting";
import { type PageView, type Period, PERIODS } from "../query";

const NAMES: Record<Period, string> = {
  "24h": "24 hours",
  "3d": "3 days",
  "7d": "7 days",
  "30d": "30 days",
  custom: "Custom",
};

interface Props {
  view: PageView;
  choose: (changes: Partial<PageView>) => void;
}

/** By when the Dag runs were due. */
export function PeriodChooser({ view, choose }: Props) {
  const zone = chosenTimeZone();
  const edge = (name: "since" | "until", label: string) => (
    <Field.Root w="auto">
      <Field.Label color="fg.muted" textStyle="xs">
        {label} ({zone})
      </Field.Label>
      <Input
        defaultValue={view[name] ? toWallTime(new Date(view[name]), zone) : ""}
        key={view[name]}
        onBlur={(event) => {
          const { defaultValue, value } = event.currentTarget;
          if (value !== defaultValue) {
            choose({ [name]: fromWallTime(value, zone)?.toISOString() ?? "" });
          }
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") {
            event.currentTarget.blur();
          }
        }}
        size="sm"
        type="datetime-local"
      />
    </Field.Root>
  );
  return (
    <Flex align="flex-end" gap={3} wrap="wrap">
      <ButtonGroup aria-label="Period" attached data-testid="raydocs-period" role="group" variant="outline">
        {PERIODS.map((period) => (
          <Button
            aria-pressed={view.period === period}
            colorPalette="brand"
            key={period}
            onClick={() => choose(period === "custom" ? startOfCustom(view) : { period })}
            size={{ base: "xs", md: "sm" }}
            variant={view.period === period ? "solid" : "outline"}
          >
            {NAMES[period]}
          </Button>
        ))}
      </ButtonGroup>
      {view.period === "custom" ? (
        <Flex gap={2} wrap="wrap">
          {edge("since", "From")}
          {edge("until", "Until")}
        </Flex>
      ) : undefined}
    </Flex>
  );
}

/** A custom period begins as the last day, to be changed. */
function startOfCustom(view: PageView): Partial<PageView> {
  if (view.period === "custom") {
    return {};
  }
  const until = new Date();
  until.setUTCSeconds(0, 0);
  return {
    period: "custom",
    since: new Date(until.getTime() - 86_400_000).toISOString(),
    until: until.toISOString(),
  };
}
