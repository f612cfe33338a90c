import { Alert, Box, Field, Flex, Heading, Input, Link, Table, Text } from "@chakra-ui/react";
import { useEffect, useState } from "react";

import { type TaskDetails, type TaskKey, taskPath } from "../api";
import { count, formatNumber } from "../formatting";
import { DOCUMENTS_PAGE_SIZE, documentsQuery, type TabView } from "../query";
import { Choice } from "../shared/Choice";
import { Empty } from "../shared/messages";
import { Pager } from "../shared/Pager";
import { DocumentLine } from "./DocumentLine";

// A pause in typing, in milliseconds, after which a search begins.
const PAUSE = 300;

interface Props {
  task: TaskKey;
  details: TaskDetails;
  view: TabView;
  show: (changes: Partial<TabView>) => void;
}

/** The documents of a task, failed ones first. */
export function Documents({ task, details, view, show }: Props) {
  const { documents, problem, states, total } = details;
  if (problem !== null) {
    return (
      <Alert.Root data-testid="raydocs-unreadable" status="info">
        <Alert.Indicator />
        <Alert.Content>
          <Alert.Title>The documents cannot be listed</Alert.Title>
          <Alert.Description>{problem}</Alert.Description>
        </Alert.Content>
      </Alert.Root>
    );
  }
  const download = documentsQuery(view);
  download.delete("limit");
  download.delete("offset");
  return (
    <Box as="section" aria-labelledby="raydocs-documents">
      <Flex align="flex-end" gap={3} mb={3} wrap="wrap">
        <Heading as="h3" flex={1} id="raydocs-documents" minW="8rem" size="sm">
          {count(total, "document")}
          {view.search || view.state ? " found" : ""}
        </Heading>
        <Search search={(search) => show({ search })} text={view.search} />
        <Choice
          choose={(state) => show({ state })}
          label="State"
          options={Object.entries(states).map(([state, number]) => ({
            value: state,
            label: `${state} (${formatNumber(number ?? 0)})`,
          }))}
          value={view.state}
        />
        <Link
          borderRadius="sm"
          borderWidth={1}
          data-testid="raydocs-csv"
          download
          href={`${taskPath(task)}/documents.csv?${download.toString()}`}
          px={3}
          py={1.5}
          textStyle="sm"
        >
          Download CSV
        </Link>
      </Flex>
      {isBehind(details) ? (
        <Text color="fg.muted" data-testid="raydocs-behind" mb={2} textStyle="sm">
          This list is from before the task began to wait, and is brought up to date when it resumes. The numbers above
          are newer; &quot;Check now&quot; asks Raydocs about one document.
        </Text>
      ) : undefined}
      {documents.length === 0 ? (
        <Empty title={view.search || view.state ? "No document matches" : "No documents"}>
          {view.search || view.state ? "Change the search or the state." : "The task was given none."}
        </Empty>
      ) : (
        <Table.ScrollArea borderRadius="md" borderWidth={1}>
          <Table.Root data-testid="raydocs-documents" size="sm">
            <Table.Header>
              <Table.Row>
                <Table.ColumnHeader>State</Table.ColumnHeader>
                <Table.ColumnHeader>Document</Table.ColumnHeader>
                <Table.ColumnHeader>On a retry</Table.ColumnHeader>
                <Table.ColumnHeader textAlign="end" title="The lowest confidence of its values">
                  Confidence
                </Table.ColumnHeader>
                <Table.ColumnHeader>Submitted</Table.ColumnHeader>
                <Table.ColumnHeader>Session</Table.ColumnHeader>
              </Table.Row>
            </Table.Header>
            <Table.Body>
              {documents.map((document, place) => (
                <DocumentLine
                  document={document}
                  key={`${document.uri}\n${document.session_id ?? place}`}
                  task={task}
                />
              ))}
            </Table.Body>
          </Table.Root>
        </Table.ScrollArea>
      )}
      <Pager
        page={view.page}
        size={DOCUMENTS_PAGE_SIZE}
        total={total}
        turn={(page) => show({ page })}
        what="documents"
      />
    </Box>
  );
}

/** While a task waits, its progress is told more often than its documents are listed. */
function isBehind({ run, states }: TaskDetails): boolean {
  return run.active && run.counts !== null && (run.counts.submitted ?? 0) !== (states["submitted"] ?? 0);
}

function Search({ text, search }: { text: string; search: (text: string) => void }) {
  const [typed, setTyped] = useState(text);
  const [followed, follow] = useState(text);
  if (followed !== text) {
    follow(text);
    setTyped(text);
  }
  useEffect(() => {
    if (typed === text) {
      return undefined;
    }
    const timer = setTimeout(() => search(typed), PAUSE);
    return () => clearTimeout(timer);
  }, [typed, text, search]);
  return (
    <Field.Root w="auto">
      <Field.Label color="fg.muted" textStyle="xs">
        Search
      </Field.Label>
      <Input
        maxW="100%"
        onChange={(event) => setTyped(event.currentTarget.value)}
        placeholder="Name, session, code or reason"
        size="sm"
        type="search"
        value={typed}
        w="16rem"
      />
    </Field.Root>
  );
}
