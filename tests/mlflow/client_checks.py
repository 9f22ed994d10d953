"""What programs do with MLflow's own client, against the server at the address given. One line for each check."""

import json
import sys
import threading
import time
import traceback
import uuid

import mlflow
from mlflow import MlflowException
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.tracking import MlflowClient

URL = sys.argv[1]
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def equal(found, expected):
    assert found == expected, f"{found!r} instead of {expected!r}"


def refused(code, call, *args, **named):
    try:
        call(*args, **named)
    except MlflowException as error:
        assert error.error_code == code, f"{error.error_code} instead of {code}: {error}"
        return str(error)
    raise AssertionError(f"{call} was not refused")


def name():
    return f"experiment {uuid.uuid4().hex}"


def new(client):
    experiment = client.create_experiment(name())
    return experiment, client.create_run(experiment).info.run_id


def values(client, run_id, key):
    return [(m.value, m.timestamp, m.step) for m in client.get_metric_history(run_id, key)]


@check
def experiments_are_made_found_and_searched(client):
    first = name()
    made = client.create_experiment(first, "s3://bucket/place", tags={"a": "1"})
    found = client.get_experiment(made)
    equal((found.name, found.artifact_location, found.tags), (first, "s3://bucket/place", {"a": "1"}))
    equal(client.get_experiment_by_name(first).experiment_id, made)
    equal(client.get_experiment_by_name(name()), None)
    equal([e.name for e in client.search_experiments(filter_string=f"name = '{first}'")], [first])
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, first)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "987654321")


@check
def experiments_are_searched_by_pages_views_and_tags(client):
    prefix = uuid.uuid4().hex
    ids = [client.create_experiment(f"{prefix} {i}", tags={"key": f"value {i}"}) for i in range(5)]
    client.delete_experiment(ids[0])
    of = f"name LIKE '{prefix}%'"

    def found(**named):
        return [e.name for e in client.search_experiments(filter_string=of, **named)]

    equal(found(), [f"{prefix} {i}" for i in (4, 3, 2, 1)])
    equal(found(view_type=ViewType.DELETED_ONLY), [f"{prefix} 0"])
    equal(found(order_by=["name ASC"], view_type=ViewType.ALL), [f"{prefix} {i}" for i in range(5)])
    tagged = client.search_experiments(filter_string="tags.key = 'value 3' AND " + of)
    equal([e.experiment_id for e in tagged], [ids[3]])
    page = client.search_experiments(filter_string=of, max_results=3)
    equal(len(page), 3)
    rest = client.search_experiments(filter_string=of, max_results=3, page_token=page.token)
    equal((len(rest), rest.token), (1, None))


@check
def experiments_are_deleted_with_their_runs_and_restored(client):
    experiment, run_id = new(client)
    client.delete_experiment(experiment)
    equal(client.get_experiment(experiment).lifecycle_stage, "deleted")
    equal(client.get_run(run_id).info.lifecycle_stage, "deleted")
    refused("INVALID_PARAMETER_VALUE", client.create_run, experiment)
    refused("INVALID_PARAMETER_VALUE", client.set_experiment_tag, experiment, "a", "1")
    client.restore_experiment(experiment)
    equal(client.get_experiment(experiment).lifecycle_stage, "active")
    equal(client.get_run(run_id).info.lifecycle_stage, "active")


@check
def experiments_are_renamed(client):
    experiment, _ = new(client)
    changed = name()
    client.rename_experiment(experiment, changed)
    equal(client.get_experiment(experiment).name, changed)


@check
def tags_of_experiments_are_set_and_deleted(client):
    experiment, _ = new(client)
    client.set_experiment_tag(experiment, "dataset", "imagenet1K")
    client.set_experiment_tag(experiment, "dataset", "birdbike")
    client.set_experiment_tag(experiment, "lines", "one\ntwo\nthree")
    equal(client.get_experiment(experiment).tags, {"dataset": "birdbike", "lines": "one\ntwo\nthree"})
    client.delete_experiment_tag(experiment, "dataset")
    equal(client.get_experiment(experiment).tags, {"lines": "one\ntwo\nthree"})
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_experiment_tag, experiment, "dataset")


@check
def runs_have_all_that_they_are_made_with(client):
    experiment, parent = new(client)
    tags = {"mlflow.user": "me", "mlflow.source.type": "LOCAL", "mlflow.parentRunId": parent, "my": "tag"}
    made = client.create_run(experiment, start_time=456, tags=tags, run_name="first")
    run = client.get_run(made.info.run_id)
    equal((run.info.start_time, run.info.run_name, run.info.status), (456, "first", "RUNNING"))
    equal((run.info.experiment_id, run.info.user_id, run.info.end_time), (experiment, "me", None))
    equal(run.data.tags, {**tags, "mlflow.runName": "first"})
    equal(client.get_parent_run(run.info.run_id).info.run_id, parent)
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    equal([child.info.run_id for child in children], [run.info.run_id])


@check
def runs_have_defaults(client):
    experiment = client.create_experiment(name())
    before = int(time.time() * 1000) - 1
    run = client.create_run(experiment)
    assert before <= run.info.start_time <= time.time() * 1000 + 1
    assert run.info.run_name != ""
    equal((run.data.metrics, run.data.params), ({}, {}))
    assert experiment in run.info.artifact_uri and run.info.run_id in run.info.artifact_uri


@check
def metrics_params_and_tags_are_logged_one_by_one(client):
    _, run_id = new(client)
    client.log_metric(run_id, "m", 123.456, timestamp=789, step=2)
    client.log_metric(run_id, "nan", float("nan"))
    client.log_metric(run_id, "inf", float("inf"))
    client.log_metric(run_id, "negative", -1.5, timestamp=1, step=-3)
    client.log_param(run_id, "p", "value")
    client.log_param(run_id, "empty", "")
    client.set_tag(run_id, "t", "tag")
    data = client.get_run(run_id).data
    equal({key: data.metrics[key] for key in ("m", "inf", "negative")}, {"m": 123.456, "inf": sys.float_info.max, "negative": -1.5})
    assert data.metrics["nan"] != data.metrics["nan"]
    equal(data.params, {"p": "value", "empty": ""})
    equal(data.tags["t"], "tag")
    equal(values(client, run_id, "m"), [(123.456, 789, 2)])
    equal(values(client, run_id, "negative"), [(-1.5, 1, -3)])


@check
def params_are_written_once(client):
    _, run_id = new(client)
    client.log_param(run_id, "p", "1")
    client.log_param(run_id, "p", "1")
    message = refused("INVALID_PARAMETER_VALUE", client.log_param, run_id, "p", "2")
    assert "Changing param values is not allowed" in message, message
    again = [Param("p", "1"), Param("q", "2")]
    for _ in range(2):
        client.log_batch(run_id, params=again)
    refused("INVALID_PARAMETER_VALUE", client.log_batch, run_id, params=[Param("q", "3"), Param("r", "4")])
    equal(client.get_run(run_id).data.params, {"p": "1", "q": "2"})


@check
def tags_are_set_again_and_deleted(client):
    _, run_id = new(client)
    client.set_tag(run_id, "t", "1")
    client.log_batch(run_id, tags=[RunTag("t", "2"), RunTag("u", "")])
    tags = client.get_run(run_id).data.tags
    equal((tags["t"], tags["u"]), ("2", ""))
    client.delete_tag(run_id, "t")
    assert "t" not in client.get_run(run_id).data.tags
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run_id, "t")


@check
def batches_are_stored_whole_and_may_be_sent_again(client):
    _, run_id = new(client)
    metrics = [Metric("m", i * 0.5, 100 + i, i) for i in range(900)]
    params = [Param(f"p{i}", str(i)) for i in range(50)]
    tags = [RunTag(f"t{i}", str(i)) for i in range(50)]
    for _ in range(2):
        client.log_batch(run_id, metrics=metrics, params=params, tags=tags)
    run = client.get_run(run_id)
    equal((len(run.data.params), run.data.metrics["m"]), (50, 899 * 0.5))
    equal(values(client, run_id, "m"), [(i * 0.5, 100 + i, i) for i in range(900)])


@check
def bad_batches_are_refused(client):
    _, run_id = new(client)
    duplicate = [Param("a", "1"), Param("a", "1")]
    refused("INVALID_PARAMETER_VALUE", client.log_batch, run_id, params=duplicate)
    refused("RESOURCE_DOES_NOT_EXIST", client.log_param, "f" * 32, "a", "1")
    equal(client.get_run(run_id).data.params, {})


@check
def the_latest_value_is_the_greatest(client):
    _, run_id = new(client)
    logged = [(20, 0, 0), (10, 0, 0), (40, 10, 1), (30, 11, 1), (5, 500, 0), (35, 11, 1)]
    for value, timestamp, step in logged:
        client.log_metric(run_id, "m", value, timestamp, step)
    equal(client.get_run(run_id).data.metrics["m"], 35)
    equal(sorted(values(client, run_id, "m")), sorted(logged))


@check
def many_threads_log_at_once(client):
    _, run_id = new(client)

    def log(thread):
        for i in range(20):
            client.log_metric(run_id, "shared", thread * 100 + i, timestamp=i, step=i)
            client.log_metric(run_id, f"own {thread}", i, timestamp=i, step=i)

    threads = [threading.Thread(target=log, args=(thread,)) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(len(values(client, run_id, "shared")), 120)
    for thread in range(6):
        equal(values(client, run_id, f"own {thread}"), [(i, i, i) for i in range(20)])


@check
def histories_come_in_pages(client):
    _, run_id = new(client)
    client.log_batch(run_id, metrics=[Metric("m", i, i, i) for i in range(10)])
    store = client._tracking_client.store
    page = store.get_metric_history(run_id, "m", max_results=4)
    seen = list(page)
    while page.token:
        page = store.get_metric_history(run_id, "m", max_results=4, page_token=page.token)
        seen += page
    equal([m.step for m in seen], list(range(10)))
    equal(client.get_metric_history(run_id, "never logged"), [])


@check
def runs_end_with_a_status(client):
    experiment, run_id = new(client)
    for status in RunStatus.all_status():
        run_id = client.create_run(experiment).info.run_id
        client.set_terminated(run_id, RunStatus.to_string(status), end_time=5)
        info = client.get_run(run_id).info
        equal((info.status, info.end_time), (RunStatus.to_string(status), 5))
    run_id = client.create_run(experiment).info.run_id
    client.set_terminated(run_id)
    info = client.get_run(run_id).info
    assert info.status == "FINISHED" and abs(info.end_time - time.time() * 1000) < 10_000


@check
def runs_are_renamed_and_keep_their_status(client):
    _, run_id = new(client)
    client.set_terminated(run_id, "FAILED", end_time=7)
    client.update_run(run_id, name="changed")
    run = client.get_run(run_id)
    equal((run.info.run_name, run.info.status, run.info.end_time), ("changed", "FAILED", 7))
    equal(run.data.tags["mlflow.runName"], "changed")
    client.set_tag(run_id, "mlflow.runName", "by tag")
    equal(client.get_run(run_id).info.run_name, "by tag")


@check
def deleted_runs_are_read_only(client):
    experiment, run_id = new(client)
    client.delete_run(run_id)
    equal(client.get_run(run_id).info.lifecycle_stage, "deleted")
    for call, *args in (
        (client.log_metric, "m", 1),
        (client.log_param, "p", 1),
        (client.set_tag, "t", 1),
        (client.log_batch, [Metric("m", 1, 1, 1)]),
    ):
        message = refused("INVALID_PARAMETER_VALUE", call, run_id, *args)
        assert "must be in the 'active' state" in message, message
    equal(client.search_runs([experiment]), [])
    equal(len(client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)), 1)
    client.restore_run(run_id)
    client.log_metric(run_id, "m", 1)
    equal(client.get_run(run_id).data.metrics, {"m": 1})


@check
def runs_are_searched_by_everything(client):
    experiment = client.create_experiment(name())
    ids = []
    for i in range(4):
        run_id = client.create_run(experiment, start_time=i + 1, run_name=f"run {i}").info.run_id
        client.log_batch(
            run_id,
            metrics=[Metric("acc", i / 10, 1, 1)],
            params=[Param("lr", str(i % 2))],
            tags=[RunTag("odd key/x", f"Value {i}")],
        )
        ids.append(run_id)
    client.set_terminated(ids[3])

    def found(filter_string, **named):
        runs = client.search_runs([experiment], filter_string, **named)
        return [ids.index(run.info.run_id) for run in runs]

    equal(found(""), [3, 2, 1, 0])
    equal(found("metrics.acc > 0.1"), [3, 2])
    equal(found("metrics.acc <= 0.1 and params.lr = '1'"), [1])
    equal(found("tags.`odd key/x` LIKE 'Value%' AND params.lr != '1'"), [2, 0])
    equal(found("tags.`odd key/x` ILIKE '%VALUE 3'"), [3])
    equal(found("attributes.status = 'FINISHED'"), [3])
    equal(found("run_name = 'run 2' and start_time >= 3"), [2])
    equal(found(f"run_id IN ('{ids[0]}', '{ids[2]}')"), [2, 0])
    equal(found("", order_by=["metrics.acc ASC"]), [0, 1, 2, 3])
    equal(found("", order_by=["params.lr DESC", "metrics.acc DESC"]), [3, 1, 2, 0])
    equal(found("", order_by=["metrics.unknown ASC", "start_time ASC"]), [0, 1, 2, 3])
    page = client.search_runs([experiment], max_results=3)
    rest = client.search_runs([experiment], max_results=3, page_token=page.token)
    equal([ids.index(run.info.run_id) for run in [*page, *rest]], [3, 2, 1, 0])
    for wrong in ("metrics.acc", "metrics.acc = 'x'", "unknown.acc = 1", "params.lr > 1"):
        refused("INVALID_PARAMETER_VALUE", client.search_runs, [experiment], wrong)


@check
def datasets_are_noted_and_searched(client):
    experiment, run_id = new(client)
    dataset = Dataset(name="iris", digest="d1", source_type="local", source="iris.csv", schema="{}", profile="{}")
    tags = [InputTag("mlflow.data.context", "training")]
    for _ in range(2):
        client.log_inputs(run_id, [DatasetInput(dataset, tags)])
    [found] = client.get_run(run_id).inputs.dataset_inputs
    equal((found.dataset.to_dictionary(), [(t.key, t.value) for t in found.tags]),
          (dataset.to_dictionary(), [("mlflow.data.context", "training")]))
    for filter_string, count in (("dataset.name = 'iris'", 1), ("dataset.context = 'eval'", 0), ("dataset.digest IN ('d1')", 1)):
        equal(len(client.search_runs([experiment], filter_string)), count)


@check
def a_program_tracks_with_few_lines(client):
    experiment = name()
    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name="outer", tags={"a": "b"}) as outer:
        mlflow.log_param("lr", 0.1)
        mlflow.log_metrics({"x": 1.0, "y": 2.0}, step=4)
        with mlflow.start_run(nested=True) as inner:
            mlflow.log_params({f"p{i}": i for i in range(150)})
    run = client.get_run(outer.info.run_id)
    equal((run.info.status, run.data.metrics, run.data.params), ("FINISHED", {"x": 1.0, "y": 2.0}, {"lr": "0.1"}))
    [x], [y] = values(client, outer.info.run_id, "x"), values(client, outer.info.run_id, "y")
    equal(x[1:], y[1:])
    child = client.get_run(inner.info.run_id)
    equal((child.data.tags["mlflow.parentRunId"], len(child.data.params)), (outer.info.run_id, 150))
    equal(len(mlflow.search_runs(experiment_names=[experiment], output_format="list")), 2)


@check
def a_run_goes_on_where_it_ended(client):
    mlflow.set_experiment(name())
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1, step=1)
    with mlflow.start_run(run_id=run.info.run_id):
        equal(client.get_run(run.info.run_id).info.status, "RUNNING")
        mlflow.log_metric("m", 2, step=2)
    equal([step for _, _, step in values(client, run.info.run_id, "m")], [1, 2])
    equal(client.get_run(run.info.run_id).info.status, "FINISHED")


@check
def a_program_that_fails_leaves_a_failed_run(client):
    mlflow.set_experiment(name())
    try:
        with mlflow.start_run() as run:
            raise ValueError("it fails")
    except ValueError:
        pass
    equal(client.get_run(run.info.run_id).info.status, "FAILED")


@check
def logging_without_waiting_stores_all(client):
    mlflow.set_experiment(name())
    with mlflow.start_run() as run:
        for i in range(300):
            mlflow.log_metric("m", i, step=i, synchronous=False)
        mlflow.log_params({"a": 1}, synchronous=False)
    mlflow.flush_async_logging()
    equal(len(values(client, run.info.run_id, "m")), 300)
    equal(client.get_run(run.info.run_id).data.params, {"a": "1"})


@check
def runs_of_several_experiments_are_searched_together(client):
    names = [name(), name()]
    for each in names:
        mlflow.set_experiment(each)
        for i in range(3):
            with mlflow.start_run():
                mlflow.log_metric("m", i)
    equal(len(mlflow.search_runs(experiment_names=names, output_format="list")), 6)
    equal(len(mlflow.search_runs(experiment_names=names, filter_string="metrics.m > 0", output_format="list")), 4)


@check
def models_are_registered_with_versions_aliases_and_tags(client):
    model, other = f"net {uuid.uuid4().hex}", f"renamed {uuid.uuid4().hex}"
    client.create_registered_model(model, tags={"team": "vision"}, description="first")
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, model)
    _, run_id = new(client)
    for _ in range(2):
        client.create_model_version(model, "s3://bucket/net", run_id=run_id, tags={"a": "b"})
    client.set_registered_model_alias(model, "best", "2")
    equal(client.get_model_version_by_alias(model, "best").version, "2")
    client.set_model_version_tag(model, "1", "checked", "yes")
    equal(client.get_model_version(model, "1").tags, {"a": "b", "checked": "yes"})
    client.update_model_version(model, "1", "described")
    equal(client.get_model_version(model, 1).description, "described")
    equal(client.get_model_version_download_uri(model, "1"), "s3://bucket/net")
    found = client.search_model_versions(f"name = '{model}' AND run_id = '{run_id}'", order_by=["version_number ASC"])
    equal([int(version.version) for version in found], [1, 2])
    client.rename_registered_model(model, other)
    equal(client.get_registered_model(other).aliases, {"best": "2"})
    equal([m.name for m in client.search_registered_models(f"name = '{other}' AND tags.team = 'vision'")], [other])
    client.delete_registered_model_alias(other, "best")
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, other, "best")
    client.delete_model_version(other, "2")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, other, "2")
    equal(client.create_model_version(other, "s3://bucket/net").version, "3")
    client.delete_registered_model(other)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, other)


@check
def logged_models_keep_params_metrics_and_status(client):
    experiment, run_id = new(client)
    params = {f"p{i}": str(i) for i in range(250)}
    model = client.create_logged_model(experiment, name="net", source_run_id=run_id, params=params, tags={"k": "v"})
    client.log_metric(run_id, "acc", 0.9, step=3, model_id=model.model_id, dataset_name="d", dataset_digest="1")
    client.finalize_logged_model(model.model_id, "READY")
    client.set_logged_model_tags(model.model_id, {"more": "1"})
    client.delete_logged_model_tag(model.model_id, "k")
    got = client.get_logged_model(model.model_id)
    equal((got.params, got.tags, str(got.status)), (params, {"more": "1"}, "READY"))
    equal([(m.key, m.value, m.step, m.dataset_name, m.run_id) for m in got.metrics], [("acc", 0.9, 3, "d", run_id)])
    search = client.search_logged_models
    equal([m.model_id for m in search([experiment], "metrics.acc > 0.5 AND params.p7 = '7'")], [model.model_id])
    equal(search([experiment], "metrics.acc > 0.5", datasets=[{"dataset_name": "other"}]), [])
    ordered = search([experiment], order_by=[{"field_name": "metrics.acc", "ascending": False}])
    equal([m.model_id for m in ordered], [model.model_id])
    registered = f"from logged {uuid.uuid4().hex}"
    client.create_registered_model(registered)
    version = client.create_model_version(registered, f"models:/{model.model_id}", model_id=model.model_id)
    equal(version.run_id, run_id)
    client.delete_logged_model(model.model_id)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, model.model_id)


def main():
    mlflow.set_tracking_uri(URL)
    client = MlflowClient(URL)
    for function in CHECKS:
        try:
            function(client)
            problem = None
        except BaseException:
            problem = traceback.format_exc()
            while mlflow.active_run():
                mlflow.end_run()
        print(json.dumps({"check": function.__name__.replace("_", " "), "problem": problem}), flush=True)


main()
