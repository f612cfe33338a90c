"""
Invoices as in `invoices_to_warehouse`; those that Raydocs is not sure of, or that do not add up, are shown to a person.

Nothing waits for the person: all invoices land at once, as extracted. Then each document in question becomes a card
under *Required Actions*: what is in question, where to see it, and an empty box per value. Whoever answers types
corrections only, and these land under the same key; what was extracted stays beside them (see docs/review.md). Where
nothing is in question, the tasks after the load are skipped.

Airflow keeps what is typed in its metadata database: as the answer, in XCom, rendered templates and the audit log. Of
the documents, only file names and names of fields get there. Needs Airflow 3.1 or newer, and
apache-airflow-providers-standard 1.13.1 or newer.
"""

from __future__ import annotations

from datetime import timedelta
from inspect import signature
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, task

from raydocs_provider.operators.raydocs import RaydocsExtractOperator, RaydocsTemplateOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

NEEDS = (
    "The Dag invoices_with_review needs Airflow 3.1 or newer, and apache-airflow-providers-standard 1.13.1 or newer: "
    "leave its file out here."
)
try:
    # Not above: modules that are named there, Airflow 3.0 imports by itself beforehand, and this one, which is for 3.1,
    # would end its Dag processor.
    from airflow.providers.standard.operators.hitl import HITLOperator
    from airflow.sdk import literal
except Exception as missing:
    raise ImportError(NEEDS) from missing
if "response_timeout" not in signature(HITLOperator.__init__).parameters:
    raise ImportError(NEEDS)

HERE = Path(__file__).parent
# Of both loads: the second writes down again why there was a question.
TARGET: dict[str, Any] = {
    "conn_id": "warehouse",
    "table": "invoices_with_review",
    "column_types": {"invoice_header.invoice_date": "date", "invoice_header.due_date": "date"},
    "review_below": {"totals.total_amount": 0.95, "*": 0.8},
    "review_checks": [
        "required(invoice_header.due_date)",
        "sum(lines.line_items.total) = totals.subtotal +/- 0.01",
        "totals.subtotal + totals.tax_amount = totals.total_amount +/- 0.01",
    ],
}

CHECKED = "Checked"
NOT_NOW = "Leave in review"
OTHERS = "Other corrections"
NOTHING = "-"


def make_card(document: dict[str, Any]) -> dict[str, Any]:
    """What a person is asked about a document: subject, text and boxes of a HITLOperator."""
    box = {"type": ["null", "string"]}
    codes = "\n".join(f"- `{code}`" for code in document["codes"])
    return {
        # Airflow would render a file name that looks like a template.
        "subject": literal(document["filename"]),
        "body": f"""
Please compare with the document, because of

{codes}

What was extracted, how sure Raydocs is and why, and where the document lies:

```sql
SELECT group_name, field_name, value, confidence, reasoning, _source_uri
FROM {TARGET["table"]}__review
WHERE _session_id = '{document["session_id"]}'
```

Fill in what is wrong, then press **{CHECKED}**. An empty box says that the extracted value is right, `{NOTHING}` that
the document states no such value. **{NOT_NOW}** forgets what is filled in.
""",  # noqa: S608, it is shown and not run
        "params": {
            **{field: Param(None, title=field, **box) for field in document["fields"]},
            OTHERS: Param(
                None,
                title=OTHERS,
                description="One a line: lines.line_items[0].total = 12.50 (the first item of a list is 0)",
                format="multiline",
                **box,
            ),
        },
    }


def read_corrections(document: dict[str, Any], typed: dict[str, str | None]) -> dict[str, str | None]:
    """What was typed into the boxes of a card, by field."""
    boxes = {field: (text or "").strip() for field, text in typed.items() if field != OTHERS}
    for number, line in enumerate((typed.get(OTHERS) or "").splitlines(), start=1):
        field, _, text = (part.strip() for part in line.partition("="))
        if field and text:
            boxes[field] = text
        elif line.strip():
            raise ValueError(f"{document['filename']}: {OTHERS}, line {number}, is not written as field = value.")
    return {field: None if text == NOTHING else text for field, text in boxes.items() if text}


with DAG("invoices_with_review", schedule=None, catchup=False, tags=["raydocs"], doc_md=__doc__):
    template = RaydocsTemplateOperator(
        task_id="template",
        workspace="Demo",
        name="Invoices",
        schema=str(HERE / "schemas" / "invoice.json"),
    )
    extract = RaydocsExtractOperator(
        task_id="extract",
        template_id=template.output,
        documents=f"{(HERE / 'documents').as_uri()}/*",
        results_path="{{ var.value.raydocs_results }}/{{ run_id }}/",
        deferrable=True,
        on_partial_failure="warn",
    )
    load = RaydocsToSqlOperator(task_id="load", extraction=extract.output, **TARGET)

    @task(show_return_value_in_logs=False)
    def list_documents(landed: dict[str, Any]) -> list[dict[str, Any]]:
        """The documents to review; there is a card for each."""
        return list(landed["to_review"])

    documents = list_documents(load.output)
    review = HITLOperator.partial(
        task_id="review",
        options=[CHECKED, NOT_NOW],
        # Everybody with the right to answer for this Dag can; `assigned_users` would say who of them. What nobody has
        # answered after three days stays in review and holds nothing up: without `defaults`, the task would fail.
        defaults=NOT_NOW,
        response_timeout=timedelta(days=3),
        # Airflow up to 3.3.2 may fail a task that is answered within seconds. Then it asks again.
        retries=2,
        retry_delay=timedelta(seconds=10),
        map_index_template="{{ task.subject }}",
    ).expand_kwargs(documents.map(make_card))

    @task(show_return_value_in_logs=False)
    def collect_verdicts(documents: list[dict[str, Any]], answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers as a load takes them, without those documents that stay in review."""
        return [
            {
                "session_id": document["session_id"],
                "corrections": read_corrections(document, answer["params_input"]),
                "reviewed_by": answer["responded_by_user"]["name"],
                "reviewed_at": answer["responded_at"],
            }
            for document, answer in zip(documents, answers, strict=True)
            if answer["chosen_options"] == [CHECKED]
        ]

    RaydocsToSqlOperator(
        task_id="land_verdicts",
        extraction=extract.output,
        verdicts=collect_verdicts(documents, review.output),
        **TARGET,
    )
