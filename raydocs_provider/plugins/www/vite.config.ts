import react from "@vitejs/plugin-react";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { defineConfig } from "vitest/config";

// What Airflow's UI hands to plugins: one React, one router and one theme for the whole page.
const GIVEN_BY_AIRFLOW = {
  react: "React",
  "react/jsx-runtime": "ReactJSXRuntime",
  "react-dom": "ReactDOM",
  "react-router-dom": "ReactRouterDOM",
  "@chakra-ui/react": "ChakraUI",
  "@emotion/react": "EmotionReact",
};

const CONFIGURATION = ["package-lock.json", "package.json", "tsconfig.json", "vite.config.ts"];

/** A hash of all that the bundle is made of; tests/unit/test_ui_bundle.py computes the same. */
function hashSources(): string {
  const root = import.meta.dirname;
  const sources = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.includes(".test."))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"));
  const hash = createHash("sha256");
  for (const path of [...CONFIGURATION, ...sources].sort()) {
    hash.update(`${path}\0`).update(readFileSync(join(root, path))).update("\0");
  }
  return hash.digest("hex");
}

export default defineConfig({
  plugins: [
    react(),
    {
      name: "raydocs:say-what-it-is-made-of",
      generateBundle(_, bundle) {
        for (const chunk of Object.values(bundle)) {
          if (chunk.type === "chunk") {
            chunk.code = `/* Built by \`make ui\`; sources ${hashSources()} */\n${chunk.code}`;
          }
        }
      },
    },
  ],
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    lib: { entry: "src/main.tsx", formats: ["umd"], name: "AirflowPlugin", fileName: "main" },
    rollupOptions: { external: Object.keys(GIVEN_BY_AIRFLOW), output: { globals: GIVEN_BY_AIRFLOW } },
  },
});
