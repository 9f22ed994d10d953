"""A network with one hidden layer in plain Python; the counterpart of mlp.ts and checkpoint.ts."""

import base64
import math
import sys
from array import array
from operator import mul

DIGIT_CLASSES = 10


class Network:
    """Pixels -> ReLU units -> softmax over ten digits, as rows of plain lists.

    `first` holds one row of hidden weights for each pixel, so a black pixel, which adds nothing, costs
    nothing; its last row holds the biases, fed by a constant 1. `second` does the same for the digits.
    """

    def __init__(self, inputs, hidden, generator):
        self.inputs, self.hidden = inputs, hidden
        # He et al. 2015, uniform form; biases start at zero.
        self.first = uniform_rows(inputs, hidden, math.sqrt(6 / inputs), generator) + [[0.0] * hidden]
        self.second = uniform_rows(hidden, DIGIT_CLASSES, math.sqrt(6 / hidden), generator)
        self.second.append([0.0] * DIGIT_CLASSES)
        self.first_speed = [[0.0] * hidden for _ in self.first]
        self.second_speed = [[0.0] * DIGIT_CLASSES for _ in self.second]

    def train_batch(self, samples, learning_rate, momentum):
        """One step with momentum; answers summed loss and right guesses from before the update."""
        first_gradient = {}
        second_gradient = [[0.0] * DIGIT_CLASSES for _ in self.second]
        loss, correct = 0.0, 0
        for label, bright, _ in samples:
            activations, errors = self.forward(bright)
            correct += errors.index(max(errors)) == label
            loss -= math.log(max(errors[label], 1e-15))
            # For softmax with cross-entropy the error of the outputs is (probability - target).
            errors[label] -= 1
            hidden_errors = []
            for unit, activation in enumerate(activations):
                if activation > 0:
                    hidden_errors.append(sum(map(mul, errors, self.second[unit])))
                    row = second_gradient[unit]
                    second_gradient[unit] = [g + activation * e for g, e in zip(row, errors)]
                else:
                    hidden_errors.append(0.0)
            second_gradient[-1] = [g + e for g, e in zip(second_gradient[-1], errors)]
            for index, value in bright + [(self.inputs, 1.0)]:
                row = first_gradient.get(index)
                if row is None:
                    first_gradient[index] = [value * e for e in hidden_errors]
                else:
                    first_gradient[index] = [g + value * e for g, e in zip(row, hidden_errors)]
        scale = learning_rate / len(samples)
        silent = [0.0] * self.hidden
        for index in range(len(self.first)):
            gradient = first_gradient.get(index, silent)
            descend(self.first, self.first_speed, index, gradient, scale, momentum)
        for index, gradient in enumerate(second_gradient):
            descend(self.second, self.second_speed, index, gradient, scale, momentum)
        return loss, correct

    def forward(self, bright):
        """Answers (activations of the hidden units, probabilities of the digits)."""
        sums = self.first[-1]
        for index, value in bright:
            sums = [s + value * w for s, w in zip(sums, self.first[index])]
        # NaN stays NaN: a diverged model has to be seen, not silenced to zero.
        activations = [0.0 if s <= 0 else s for s in sums]
        outputs = self.second[-1]
        for activation, row in zip(activations, self.second):
            if activation != 0:
                outputs = [o + activation * w for o, w in zip(outputs, row)]
        largest = max(outputs)  # Subtracting it keeps exp() from overflowing.
        powers = [math.exp(o - largest) for o in outputs]
        total = sum(powers)
        return activations, [power / total for power in powers]

    def evaluate(self, samples):
        """Answers (accuracy, mean loss)."""
        loss, correct = 0.0, 0
        for label, bright, _ in samples:
            _, probabilities = self.forward(bright)
            correct += probabilities.index(max(probabilities)) == label
            loss -= math.log(max(probabilities[label], 1e-15))
        return correct / len(samples), loss / len(samples)

    def to_checkpoint(self, epoch):
        """The format of checkpoint.ts: blocks as base64 of little-endian 32-bit floats."""
        return {
            "format": "digits-mlp",
            "inputs": self.inputs,
            "hidden": self.hidden,
            "outputs": DIGIT_CLASSES,
            "epoch": epoch,
            "hiddenWeights": encode_floats(self.first[:-1]),
            "hiddenBiases": encode_floats(self.first[-1:]),
            "outputWeights": encode_floats(self.second[:-1]),
            "outputBiases": encode_floats(self.second[-1:]),
        }


def uniform_rows(count, width, bound, generator):
    return [[generator.uniform(-bound, bound) for _ in range(width)] for _ in range(count)]


def descend(weights, speeds, index, gradient, scale, momentum):
    speed = [momentum * s - scale * g for s, g in zip(speeds[index], gradient)]
    speeds[index] = speed
    weights[index] = [w + s for w, s in zip(weights[index], speed)]


def encode_floats(rows):
    floats = array("f", [value for row in rows for value in row])
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode("ascii")
