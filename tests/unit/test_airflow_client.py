"""What the demo stack takes for a Dag that is ready, in a folder with files that this Airflow cannot import."""

from __future__ import annotations

import pytest

from scripts.airflow_stack.client import AirflowClient, StackError


class Airflow(AirflowClient):
    """An Airflow that has parsed a folder."""

    def __init__(self, dags, errors):
        super().__init__("http://127.0.0.1:1")
        self.answers = {
            "/api/v2/importErrors": {"import_errors": [{"filename": f, "stack_trace": t} for f, t in errors]},
            "/api/v2/dags?dag_id_pattern=invoices": {"dags": [{"dag_id": dag} for dag in dags]},
        }

    def call(self, method, path, body=None):
        return self.answers[path]


NEEDS = "Traceback ...\nImportError: The Dag invoices_with_alerts needs Airflow 3.2 or newer."


def test_a_file_that_needs_another_airflow_is_told_once_and_holds_nothing_up(capsys):
    airflow = Airflow(["invoices"], [("invoices_with_alerts.py", NEEDS)])
    assert airflow.has_dag("invoices")
    assert airflow.has_dag("invoices")
    told = capsys.readouterr().err
    assert (
        told
        == "No Dag in invoices_with_alerts.py: ImportError: The Dag invoices_with_alerts needs Airflow 3.2 or newer.\n"
    )


def test_the_file_of_the_dag_itself_has_to_be_imported():
    airflow = Airflow([], [("/dags/invoices.py", "Traceback ...\nNameError: x")])
    with pytest.raises(StackError, match=r"(?s)^/dags/invoices\.py:\n.*NameError: x"):
        airflow.has_dag("invoices")


def test_a_dag_that_is_not_parsed_yet_is_waited_for():
    assert not Airflow([], []).has_dag("invoices")
    assert not Airflow(["invoices_mapped"], [("other.py", "Error")]).has_dag("invoices")
