"""What the tracker for MLflow does when its server is away, slow or says no. A real server is in tests/training."""
import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from trainyard import MlflowTracker, Pipeline
from trainyard.json_http import HttpRefused, HttpUnreachable, JsonHttp, Patience

QUICK = Patience(timeout_seconds=5, retry_seconds=5)


class Server(ThreadingHTTPServer):
    """Answers each request with what is next in a list, and then with what MLflow would say of a run."""

    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = list(answers), []
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, body):
        path = self.path.partition("?")[0].rpartition("mlflow/")[2]
        self.server.asked.append((path, body, self.headers.get("Authorization")))
        status, answer = self.server.answers.pop(0) if self.server.answers else (200, None)
        if answer is None:
            answer = {"experiment": {"experiment_id": "7"}, "run": {"info": {"run_id": "abc"}}}
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


class Calls(unittest.TestCase):
    def test_are_made_again_while_the_server_says_that_it_cannot_now(self):
        with Server((503, {}), (429, {}), (200, {"a": 1})) as server:
            waited = []
            http = JsonHttp(server.address, patience=QUICK, wait=waited.append)
            self.assertEqual(http.post("/x", {}), {"a": 1})
        self.assertEqual(len(waited), 2)
        self.assertLess(waited[0], waited[1])

    def test_are_not_made_again_when_it_says_no(self):
        refusal = {"error_code": "INVALID_PARAMETER_VALUE", "message": "no such thing"}
        with Server((400, refusal)) as server:
            with self.assertRaises(HttpRefused) as caught:
                JsonHttp(server.address, patience=QUICK).get("/x", {"a": "b"})
        self.assertEqual((caught.exception.status, caught.exception.code), (400, "INVALID_PARAMETER_VALUE"))
        self.assertEqual(str(caught.exception), "400 INVALID_PARAMETER_VALUE: no such thing")

    def test_of_a_server_that_is_not_there_end(self):
        with Server() as server:
            address = server.address
        with self.assertRaises(HttpUnreachable):
            JsonHttp(address, patience=Patience(1, 10), wait=lambda seconds: seconds < 1).get("/x")

    def test_need_an_address(self):
        for wrong in ("mlruns", "sqlite:///x.db", "http://"):
            with self.assertRaisesRegex(ValueError, "is no address of a server"):
                JsonHttp(wrong)


class Runs(unittest.TestCase):
    class Trains(Pipeline):
        def train(self):
            with self.epoch(0):
                self.epoch_metrics["train_loss"] = 1
            return "done"

    def run_with(self, server, **options):
        warnings = []
        tracker = MlflowTracker(server.address, patience=QUICK, **{"env": {}, **options})
        outcome = self.Trains(trackers=[tracker], warn=warnings.append).run()
        self.assertEqual(outcome.result, "done")
        return tracker, warnings

    def test_are_made_once_there_is_a_server(self):
        with Server((503, {})) as server:
            tracker, warnings = self.run_with(server, env={"MLFLOW_TRACKING_TOKEN": "secret"})
        self.assertEqual((tracker.run_id, warnings), ("abc", []))
        self.assertEqual([path for path, _, _ in server.asked].count("runs/create"), 1)
        self.assertEqual({authorization for _, _, authorization in server.asked}, {"Bearer secret"})
        ended = server.asked[-1][1]
        self.assertEqual((ended["status"], ended["run_id"]), ("FINISHED", "abc"))

    def test_go_on_in_a_run_that_is_there(self):
        with Server() as server:
            self.run_with(server, run_id="old")
        self.assertEqual(server.asked[0][:2], ("runs/update", {"run_id": "old", "status": "RUNNING"}))
        self.assertNotIn("runs/create", [path for path, _, _ in server.asked])

    def test_make_their_experiment_also_when_another_program_is_faster(self):
        missing = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"})
        exists = (400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "there"})
        with Server(missing, exists) as server:
            self.run_with(server, experiment="e")
        created = next(body for path, body, _ in server.asked if path == "runs/create")
        self.assertEqual(created["experiment_id"], "7")

    def test_that_are_refused_are_told_of_and_trained_all_the_same(self):
        refusal = (403, {"error_code": "PERMISSION_DENIED", "message": "not yours"})
        with Server(*[refusal] * 100) as server:
            _, warnings = self.run_with(server)
        self.assertIn('The tracker "mlflow" has failed: 403 PERMISSION_DENIED: not yours.', warnings)

    def test_need_an_address(self):
        with self.assertRaisesRegex(ValueError, "MLFLOW_TRACKING_URI"):
            MlflowTracker(env={})


if __name__ == "__main__":
    unittest.main()
