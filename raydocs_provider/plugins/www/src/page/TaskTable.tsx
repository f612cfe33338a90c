import { Box, Flex, Heading, Table, Text } from "@chakra-ui/react";

import type { Choices, TaskRun } from "../api";
import { headline, nameKind } from "../counts";
import { count, formatDuration, formatNumber } from "../formatting";
import { dagRunRoute, documentsRoute, taskRoute } from "../routes";
import { DocumentBar } from "../shared/DocumentBar";
import { Moment } from "../shared/Moment";
import { RouteLink } from "../shared/RouteLink";
import { StateBadge } from "../shared/StateBadge";

interface Props {
  runs: TaskRun[];
  total: number;
  templates: Choices["templates"];
  now: Date;
}

/** Task instances, those at work first. */
export function TaskTable({ runs, total, templates, now }: Props) {
  const names = new Map(templates.map(({ id, name }) => [id, name]));
  return (
    <Box as="section" aria-labelledby="raydocs-tasks">
      <Heading as="h2" id="raydocs-tasks" mb={2} size="sm">
        {count(total, "task instance")}
      </Heading>
      <Table.ScrollArea borderRadius="md" borderWidth={1}>
        <Table.Root data-testid="raydocs-tasks" size="sm">
          <Table.Header>
            <Table.Row>
              <Table.ColumnHeader>State</Table.ColumnHeader>
              <Table.ColumnHeader>Task</Table.ColumnHeader>
              <Table.ColumnHeader minW="14rem">Result</Table.ColumnHeader>
              <Table.ColumnHeader>Template</Table.ColumnHeader>
              <Table.ColumnHeader>Started</Table.ColumnHeader>
              <Table.ColumnHeader textAlign="end">Took</Table.ColumnHeader>
              <Table.ColumnHeader textAlign="end">Requests</Table.ColumnHeader>
              <Table.ColumnHeader>Go to</Table.ColumnHeader>
            </Table.Row>
          </Table.Header>
          <Table.Body>
            {runs.map((run) => (
              <TaskRow key={[run.dag_id, run.run_id, run.task_id, run.map_index].join("\n")} now={now}
                run={run}
                template={run.template_name ?? names.get(run.template_id ?? "") ?? run.template_id ?? ""}
              />
            ))}
          </Table.Body>
        </Table.Root>
      </Table.ScrollArea>
    </Box>
  );
}

function TaskRow({ run, template, now }: { run: TaskRun; template: string; now: Date }) {
  const name = `${run.dag_id} / ${run.task_id}${run.map_index >= 0 ? ` [${run.map_index}]` : ""}`;
  const ended = run.end_date === null ? (run.active ? now : undefined) : new Date(run.end_date);
  const took = run.start_date !== null && ended ? (ended.getTime() - Date.parse(run.start_date)) / 1000 : undefined;
  return (
    <Table.Row data-testid="raydocs-task">
      <Table.Cell>
        <StateBadge state={run.state} />
        {run.try_number > 1 ? (
          <Text color="fg.muted" mt={1} textStyle="xs">
            try {run.try_number}
          </Text>
        ) : undefined}
      </Table.Cell>
      <Table.Cell>
        <RouteLink label={`Documents of ${name}`} to={documentsRoute(run)}>
          {name}
        </RouteLink>
        <Text color="fg.muted" maxW="16rem" textStyle="xs" title={run.run_id} truncate>
          {nameKind(run.kind)}, {run.run_id}
        </Text>
      </Table.Cell>
      <Table.Cell>
        {run.counts && run.counts.total > 0 ? <DocumentBar counts={run.counts} /> : undefined}
        <Text mt={run.counts ? 1 : 0} textStyle="xs" whiteSpace="normal">
          {headline(run)}
        </Text>
      </Table.Cell>
      <Table.Cell>
        <Text maxW="10rem" textStyle="xs" title={run.template_id ?? ""} truncate>
          {template}
        </Text>
      </Table.Cell>
      <Table.Cell>
        <Moment at={run.start_date} />
      </Table.Cell>
      <Table.Cell fontVariantNumeric="tabular-nums" textAlign="end" whiteSpace="nowrap">
        {took === undefined ? "" : formatDuration(took)}
      </Table.Cell>
      <Table.Cell fontVariantNumeric="tabular-nums" textAlign="end">
        {formatNumber(run.requests)}
        {run.limited > 0 ? (
          <Text color="fg.warning" textStyle="xs" whiteSpace="nowrap">
            {formatNumber(run.limited)} refused
          </Text>
        ) : undefined}
      </Table.Cell>
      <Table.Cell>
        <Flex gap={3} whiteSpace="nowrap">
          <RouteLink label={`Log of ${name}`} to={taskRoute(run)}>
            Log
          </RouteLink>
          <RouteLink label={`Dag run of ${name}`} to={dagRunRoute(run)}>
            Dag run
          </RouteLink>
        </Flex>
      </Table.Cell>
    </Table.Row>
  );
}
