import { Box, Button, Flex, Heading, Text } from "@chakra-ui/react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router-dom";

import { fetchOverview } from "../api";
import { FILTERS, overviewQuery, PAGE_SIZE, type PageView, readPageView, writePageView } from "../query";
import { ACTIVE_INTERVAL, IDLE_INTERVAL } from "../refreshing";
import { Empty, Loading, Problem } from "../shared/messages";
import { Moment } from "../shared/Moment";
import { Pager } from "../shared/Pager";
import { useSettledRoute } from "../shared/useSettledRoute";
import { Failures } from "./Failures";
import { Filters } from "./Filters";
import { PeriodChooser } from "./PeriodChooser";
import { SummaryCards } from "./SummaryCards";
import { TaskTable } from "./TaskTable";
import { Timeline } from "./Timeline";

/** All tasks of Raydocs in a period: what they add up to, what failed and why, and the way to each. */
export function RaydocsPage() {
  const ready = useSettledRoute();
  const [params, setParams] = useSearchParams();
  const view = readPageView(params);
  const show = (changes: Partial<PageView>) =>
    setParams(writePageView({ ...view, page: 0, ...changes }), { replace: changes.page === undefined });
  const incomplete = view.period === "custom" && !(view.since && view.until);

  const { data, dataUpdatedAt, error, isFetching, isPlaceholderData, refetch } = useQuery({
    queryKey: ["overview", view],
    queryFn: ({ signal }) => fetchOverview(overviewQuery(view, new Date()), signal),
    enabled: ready && !incomplete,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => ((state.data?.summary.active ?? 0) > 0 ? ACTIVE_INTERVAL : IDLE_INTERVAL),
  });
  const filtered = FILTERS.some((name) => view.filters[name]);
  const clearFilters = () => show({ filters: { dag_id: "", task_id: "", template_id: "", state: "", kind: "" } });

  return (
    <Box data-testid="raydocs-page" h="full" overflow="auto" p={{ base: 3, md: 5 }}>
      <Flex align="flex-start" gap={4} justify="space-between" mb={4} wrap="wrap">
        <Box>
          <Heading as="h1" size="lg">
            Raydocs
          </Heading>
          <Text color="fg.muted" textStyle="sm">
            Documents that Dags have had extracted and landed
          </Text>
        </Box>
        <Flex align="center" gap={3} wrap="wrap">
          <PeriodChooser choose={show} view={view} />
          <Button disabled={incomplete} loading={isFetching} onClick={() => void refetch()} size="sm" variant="outline">
            Refresh
          </Button>
        </Flex>
      </Flex>

      <Filters
        choices={data?.filters}
        choose={(name, value) => show({ filters: { ...view.filters, [name]: value } })}
        clear={filtered ? clearFilters : undefined}
        filters={view.filters}
      />

      {error && !incomplete ? (
        <Problem
          isRetrying={isFetching}
          problem={error}
          retry={() => void refetch()}
          stale={data !== undefined}
          what="the tasks"
        />
      ) : undefined}
      {incomplete ? (
        <Empty title="Choose a period">Say from when and until when, above.</Empty>
      ) : data === undefined ? (
        error ? undefined : (
          <Loading what="tasks" />
        )
      ) : data.total === 0 ? (
        <Empty title={filtered ? "No Raydocs tasks match these filters" : "No Raydocs tasks in this period"}>
          {filtered
            ? "Clear the filters, or choose a longer period."
            : "Tasks show up here as soon as they have begun. Choose a longer period to see older ones."}
        </Empty>
      ) : (
        <Box aria-busy={isPlaceholderData} opacity={isPlaceholderData ? 0.6 : 1}>
          <SummaryCards now={new Date(dataUpdatedAt)} summary={data.summary} />
          <Failures groups={data.failures} />
          <Timeline buckets={data.timeline} bucketSeconds={data.bucket_seconds} />
          <TaskTable
            now={new Date(dataUpdatedAt)}
            runs={data.runs}
            templates={data.filters.templates}
            total={data.total}
          />
          <Pager
            page={view.page}
            size={PAGE_SIZE}
            total={data.total}
            turn={(page) => show({ page })}
            what="task instances"
          />
          <Text color="fg.muted" mt={3} textStyle="xs">
            As of <Moment at={dataUpdatedAt / 1000} style="long" />
            {data.summary.active > 0 ? "; refreshed every 10 seconds while tasks are active" : ""}
          </Text>
        </Box>
      )}
    </Box>
  );
}
