"""Does with MLflow's own client what programs do with artifacts; prints what it saw, as JSON."""

import hashlib
import json
import os
import sys
import tempfile

import mlflow
from mlflow import MlflowClient

size = int(sys.argv[1])
folder = tempfile.mkdtemp()


def write(name: str, content: bytes) -> str:
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    return path


mlflow.set_experiment("artifacts")
with mlflow.start_run() as run:
    run_id = run.info.run_id
    mlflow.log_artifact(write("one.txt", b"one"))
    mlflow.log_artifact(write("two.txt", b"two"), "in/folder")
    write("many/a.bin", b"a" * 1000)
    write("many/deeper/b c.bin", b"b")
    mlflow.log_artifacts(os.path.join(folder, "many"), "many")
    mlflow.log_text("text", "notes/text.txt")
    mlflow.log_dict({"x": 1}, "dict.json")
    large = write("large.bin", os.urandom(size))
    mlflow.log_artifact(large)

client = MlflowClient()
listed = {
    path: [[item.path, item.is_dir, item.file_size] for item in client.list_artifacts(run_id, path)]
    for path in ("", "many", "in/folder", "none")
}


def hash_of(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


all_of_it = mlflow.artifacts.download_artifacts(run_id=run_id)
by_uri = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/many")
found = sorted(
    os.path.relpath(os.path.join(where, name), all_of_it)
    for where, _, names in os.walk(all_of_it)
    for name in names
)
mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/text.txt")
client_repo = mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(run.info.artifact_uri)
client_repo.delete_artifacts("in")
print(
    json.dumps(
        {
            "uri": run.info.artifact_uri.replace(run_id, "RUN"),
            "listed": listed,
            "downloaded": found,
            "same": hash_of(os.path.join(all_of_it, "large.bin")) == hash_of(large),
            "byUri": sorted(os.listdir(by_uri)),
            "afterDeletion": [item.path for item in client.list_artifacts(run_id)],
        }
    )
)
