// The way of the API's TypeScript cookbook.
//
//     node client.ts BASE_URL TOKEN SCHEMA_JSON POLL_SECONDS FILE...
//
// Prints a JSON object: file name to status, values, and the confidence of each value. Types stand in signatures only,
// so that the test can take them out for a node that cannot do it itself.
import { readFile } from "node:fs/promises";
import { basename, extname } from "node:path";

interface Session {
  id: string;
  name: string;
  created_at: string;
}

interface Result {
  id: string;
  status: "created" | "parsing_pending" | "processing" | "completed" | "failed";
  data: Record<string, unknown>;
  reasoning?: Record<string, Record<string, { confidence?: number }>>;
  error?: string;
}

const contentTypes = { ".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg" };

class RaydocsClient {
  baseUrl: string;
  token: string;

  constructor(baseUrl: string, token: string) {
    this.baseUrl = baseUrl;
    this.token = token;
  }

  async request(method: string, path: string, body?: unknown): Promise<any> {
    const answer = await fetch(this.baseUrl + path, {
      method,
      headers: {
        Authorization: `Bearer ${this.token}`,
        "Content-Type": "application/json",
        Accept: "application/json",
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  }

  async createWorkspace(name: string, icon: string): Promise<any> {
    return this.request("POST", "/workspaces/create", { name, icon });
  }

  async listWorkspaces(): Promise<any> {
    return (await this.request("GET", "/workspaces")).data;
  }

  async createTemplate(workspaceId: number, name: string, schema: unknown): Promise<any> {
    return this.request("POST", "/extractions/templates", { name, workspace_id: workspaceId, schema_json: schema });
  }

  async upload(path: string): Promise<string> {
    const contentType = contentTypes[extname(path)] ?? "application/octet-stream";
    const wanted = { content_type: contentType, visibility: "private" };
    const signed = await this.request("POST", "/vapor/signed-storage-url", wanted);
    const headers = { "Content-Type": contentType, ...signed.headers };
    const put = await fetch(signed.url, { method: "PUT", headers, body: await readFile(path) });
    if (!put.ok) throw new Error(`PUT: ${put.status} ${await put.text()}`);
    return signed.key;
  }

  async batchCreate(templateId: string, files: string[]): Promise<Session[]> {
    const settings = { auto_extract: true };
    return this.request("POST", `/extractions/templates/${templateId}/sessions/batch`, { files, settings });
  }

  async waitForResult(sessionId: string, pollSeconds: number): Promise<Result> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const { data } = await this.request("GET", `/extractions/sessions/${sessionId}/results`);
      if (data.length > 0) {
        const result = await this.request("GET", `/extractions/results/${data[0].id}`);
        if (result.status === "completed" || result.status === "failed") return result;
      }
      await new Promise((resolve) => setTimeout(resolve, pollSeconds * 1000));
    }
    throw new Error(`Timed out: ${sessionId}`);
  }
}

const [baseUrl, token, schema, pollSeconds, ...files] = process.argv.slice(2);
const client = new RaydocsClient(baseUrl, token);
const workspace = await client.createWorkspace("Cookbook", "📊");
if (!(await client.listWorkspaces()).some((each) => each.id === workspace.id)) throw new Error("workspace not listed");
const template = await client.createTemplate(workspace.id, "Invoices", JSON.parse(schema));
const keys = [];
for (const path of files) keys.push(await client.upload(path));
const sessions = await client.batchCreate(template.id, keys);
const report = {};
for (const [index, path] of files.entries()) {
  const result = await client.waitForResult(sessions[index].id, Number(pollSeconds));
  const confidence = {};
  for (const [group, fields] of Object.entries(result.reasoning ?? {})) {
    confidence[group] = {};
    for (const [field, why] of Object.entries(fields)) confidence[group][field] = why.confidence;
  }
  report[basename(path)] = { status: result.status, error: result.error ?? null, data: result.data, confidence };
}
console.log(JSON.stringify(report));
