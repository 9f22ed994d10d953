"""Fits a line by gradient descent with momentum, and can be paused at every step.

Environment: STEPS (default 400), STEP_SECONDS (0.01), SAVE_SECONDS (0: how long a checkpoint takes to write).
"""

import json
import os
import random
import time

from step_control import StepControl

STEPS = int(os.environ.get("STEPS", "400"))
STEP_SECONDS = float(os.environ.get("STEP_SECONDS", "0.01"))
SAVE_SECONDS = float(os.environ.get("SAVE_SECONDS", "0"))
CHECKPOINT = "checkpoint.json"


def load():
    """The state to go on from: weights, the optimizer's velocities, and the next step."""
    with open("model-loads", "a") as file:
        file.write("loaded\n")
    path = os.environ.get("TRAINYARD_RESUME_FROM")
    if path is None:
        return {"weights": [0.0, 0.0], "velocity": [0.0, 0.0], "step": 0}
    with open(path) as file:
        state = json.load(file)
    print(f"goes on at step {state['step']} with velocity {state['velocity']}")
    return state


def save(state):
    """Beside the old one first, so that a kill in the middle leaves that intact."""
    with open(CHECKPOINT + ".tmp", "w") as file:
        json.dump(state, file)
        file.flush()
        time.sleep(SAVE_SECONDS)
    os.replace(CHECKPOINT + ".tmp", CHECKPOINT)
    print(f"saved at step {state['step']} with velocity {state['velocity']}")
    return CHECKPOINT


def main():
    state = load()
    control = StepControl()
    run_id = os.environ.get("TRAINYARD_RUN_ID", "local")
    metrics_dir = os.environ.get("PLATFORM_METRICS_DIR", "platform_metrics")
    os.makedirs(metrics_dir, exist_ok=True)
    data = random.Random(7)
    points = [(x, 3 * x - 1 + data.gauss(0, 0.05)) for x in (data.random() for _ in range(64))]
    with open(os.path.join(metrics_dir, f"{run_id}_metrics.jsonl"), "a") as metrics:
        while state["step"] < STEPS:
            control.at_step(state["step"], lambda: save(state) if state["step"] > 0 else None)
            loss = train_step(state, points)
            line = {"step": state["step"], "loss": loss, "timestamp": time.time()}
            metrics.write(json.dumps(line) + "\n")
            metrics.flush()
            time.sleep(STEP_SECONDS)
    print(f"done at step {state['step']}")


def train_step(state, points):
    slope, offset = state["weights"]
    errors = [(x, slope * x + offset - y) for x, y in points]
    loss = sum(error * error for _, error in errors) / len(points)
    gradient = [
        2 * sum(error * x for x, error in errors) / len(points),
        2 * sum(error for _, error in errors) / len(points),
    ]
    for i in range(2):
        state["velocity"][i] = 0.9 * state["velocity"][i] - 0.02 * gradient[i]
        state["weights"][i] += state["velocity"][i]
    state["step"] += 1
    return loss


if __name__ == "__main__":
    main()
