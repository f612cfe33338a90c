import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";

import { ApiError } from "./api";
import { RaydocsPage } from "./page/RaydocsPage";
import { TaskTab } from "./tab/TaskTab";

const MOST_RETRIES = 1;

// Outside of the component, so that coming back from another tab of Airflow shows at once what was known before.
const client = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, problem) =>
        failures < MOST_RETRIES && !(problem instanceof ApiError && (problem.status ?? 500) < 500),
      refetchOnWindowFocus: true,
      refetchIntervalInBackground: false,
    },
  },
});

interface Props {
  dagId?: string;
  runId?: string;
  taskId?: string;
  mapIndex?: string;
}

/** What Airflow mounts: the tab on task instances, the page elsewhere. */
export default function RaydocsPlugin({ dagId, runId, taskId, mapIndex }: Props) {
  const isTab = dagId !== undefined && runId !== undefined && taskId !== undefined;
  return (
    <ChakraProvider value={globalThis.ChakraUISystem ?? defaultSystem}>
      <QueryClientProvider client={client}>
        {isTab ? (
          <TaskTab dag_id={dagId} map_index={Number(mapIndex ?? -1)} run_id={runId} task_id={taskId} />
        ) : (
          <RaydocsPage />
        )}
      </QueryClientProvider>
    </ChakraProvider>
  );
}
