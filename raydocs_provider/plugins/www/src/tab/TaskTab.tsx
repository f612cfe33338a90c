import { Box, Flex, Heading, Text } from "@chakra-ui/react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router-dom";

import { fetchTask, type TaskDetails, type TaskKey } from "../api";
import { headline, isLanding } from "../counts";
import { count, formatDuration, formatNumber } from "../formatting";
import { documentsQuery, readTabView, type TabView, writeTabView } from "../query";
import { ACTIVE_INTERVAL } from "../refreshing";
import { overviewRoute } from "../routes";
import { DocumentBar } from "../shared/DocumentBar";
import { Loading, Problem } from "../shared/messages";
import { Moment } from "../shared/Moment";
import { RouteLink } from "../shared/RouteLink";
import { StateBadge } from "../shared/StateBadge";
import { useSettledRoute } from "../shared/useSettledRoute";
import { Documents } from "./Documents";
import { LandedRows } from "./LandedRows";
import { RetryOutlook } from "./RetryOutlook";

/** One task instance: what became of each of its documents, and what a retry would do. */
export function TaskTab(task: TaskKey) {
  const ready = useSettledRoute();
  const [params, setParams] = useSearchParams();
  const view = readTabView(params);
  const show = (changes: Partial<TabView>) =>
    setParams((present) => writeTabView({ ...readTabView(present), page: 0, ...changes }, present), {
      replace: changes.page === undefined,
    });
  const { dag_id, run_id, task_id, map_index } = task;
  const key = { dag_id, run_id, task_id, map_index };

  const { data, error, isFetching, isPlaceholderData, refetch } = useQuery({
    queryKey: ["task", key, view],
    queryFn: ({ signal }) => fetchTask(key, documentsQuery(view), signal),
    enabled: ready,
    // What is shown of one task never stands in for another one.
    placeholderData: (previous, query) =>
      JSON.stringify(query?.queryKey[1]) === JSON.stringify(key) ? keepPreviousData(previous) : undefined,
    // The tab is on every task of Airflow: what is none of Raydocs is asked about once.
    refetchInterval: ({ state }) => (state.data?.raydocs && state.data.run.active ? ACTIVE_INTERVAL : false),
    refetchOnWindowFocus: ({ state }) => state.data?.raydocs !== false,
  });

  return (
    <Box data-testid="raydocs-tab" p={{ base: 3, md: 4 }}>
      {error ? (
        <Problem
          isRetrying={isFetching}
          problem={error}
          retry={() => void refetch()}
          stale={data !== undefined}
          what="the documents"
        />
      ) : undefined}
      {data === undefined ? (
        error ? undefined : (
          <Loading what="documents" />
        )
      ) : data.raydocs ? (
        <Box aria-busy={isPlaceholderData}>
          <Headline details={data} />
          <RetryOutlook details={data} />
          {isLanding(data.run) ? (
            <LandedRows rows={data.run.rows ?? {}} />
          ) : (
            <Documents details={data} show={show} task={key} view={view} />
          )}
        </Box>
      ) : (
        <Text color="fg.muted" data-testid="raydocs-other-task">
          {data.message}
        </Text>
      )}
    </Box>
  );
}

function Headline({ details: { run, links } }: { details: TaskDetails }) {
  const facts = [
    run.template_name ?? run.template_id ? `template ${run.template_name ?? run.template_id ?? ""}` : "",
    run.seconds ? `${formatDuration(run.seconds.p50)} per document, slowest ${formatDuration(run.seconds.max)}` : "",
    `${count(run.requests, "API request")} by this attempt`,
    run.limited > 0 ? `${formatNumber(run.limited)} refused (429)` : "",
    run.budget_wait >= 1 ? `waited ${formatDuration(run.budget_wait)} for the request budget` : "",
  ].filter(Boolean);
  return (
    <Box mb={4}>
      <Flex align="center" columnGap={3} wrap="wrap">
        <Heading as="h2" data-testid="raydocs-headline" size="md">
          {headline(run)}
        </Heading>
        <StateBadge state={run.state} />
      </Flex>
      {run.counts && run.counts.total > 0 ? (
        <Box maxW="40rem" my={2}>
          <DocumentBar counts={run.counts} />
        </Box>
      ) : undefined}
      <Text color="fg.muted" textStyle="sm">
        {sentence(facts.join("; "))}
        {run.updated_at === null ? "" : ". As of "}
        <Moment at={run.updated_at} />
      </Text>
      <Flex gap={4} mt={1} textStyle="sm" wrap="wrap">
        <RouteLink to={overviewRoute(run.dag_id)}>All Raydocs tasks of this Dag</RouteLink>
        {links?.map(({ name, url }) => (
          <a href={url} key={url} rel="noopener noreferrer" target="_blank">
            {name}
          </a>
        ))}
      </Flex>
    </Box>
  );
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
