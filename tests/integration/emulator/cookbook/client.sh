#!/usr/bin/env bash
# The way of the API's shell cookbook, with curl and jq.
#
#     client.sh BASE_URL TOKEN SCHEMA_JSON POLL_SECONDS FILE...
#
# Prints a JSON object: file name to status, values, and the confidence of each value.
set -euo pipefail
BASE_URL=$1 TOKEN=$2 SCHEMA=$3 POLL_SECONDS=$4
shift 4

post() {
  curl --silent --show-error --fail -X POST "$BASE_URL$1" \
    -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -H "Accept: application/json" -d "$2"
}

get() {
  curl --silent --show-error --fail "$BASE_URL$1" -H "Authorization: Bearer $TOKEN" -H "Accept: application/json"
}

WORKSPACE_ID=$(post /workspaces/create '{"name": "Cookbook", "icon": "📊"}' | jq -r '.id')
get /workspaces | jq -e ".data[] | select(.id == $WORKSPACE_ID)" > /dev/null
TEMPLATE=$(jq -n --argjson schema "$SCHEMA" --argjson workspace "$WORKSPACE_ID" \
  '{name: "Invoices", workspace_id: $workspace, schema_json: $schema}')
TEMPLATE_ID=$(post /extractions/templates "$TEMPLATE" | jq -r '.id')

KEYS='[]'
for FILE in "$@"; do
  case $FILE in
    *.pdf) TYPE=application/pdf ;;
    *.png) TYPE=image/png ;;
    *) TYPE=application/octet-stream ;;
  esac
  SIGNED=$(post /vapor/signed-storage-url "{\"content_type\": \"$TYPE\", \"visibility\": \"private\"}")
  curl --silent --show-error --fail -X PUT "$(jq -r '.url' <<< "$SIGNED")" -H "Content-Type: $TYPE" --data-binary "@$FILE"
  KEYS=$(jq --arg key "$(jq -r '.key' <<< "$SIGNED")" '. + [$key]' <<< "$KEYS")
done

SESSIONS=$(post "/extractions/templates/$TEMPLATE_ID/sessions/batch" "{\"files\": $KEYS, \"settings\": {\"auto_extract\": true}}")
REPORT='{}'
INDEX=0
for FILE in "$@"; do
  SESSION_ID=$(jq -r ".[$INDEX].id" <<< "$SESSIONS")
  for _ in $(seq 200); do
    RESULT=$(get "/extractions/sessions/$SESSION_ID/results" | jq '.data[0] // {}')
    STATUS=$(jq -r '.status // "pending"' <<< "$RESULT")
    if [[ $STATUS == completed || $STATUS == failed ]]; then break; fi
    sleep "$POLL_SECONDS"
  done
  RESULT=$(get "/extractions/results/$(jq -r '.id' <<< "$RESULT")")
  REPORT=$(jq --arg file "$(basename "$FILE")" --argjson result "$RESULT" '. + {($file): {
    status: $result.status, error: $result.error, data: $result.data,
    confidence: (($result.reasoning // {}) | map_values(map_values(.confidence)))}}' <<< "$REPORT")
  INDEX=$((INDEX + 1))
done
jq -c . <<< "$REPORT"
