"""Prints what TensorBoard's own reader finds in a directory of event files, as JSON."""

import json
import sys

from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.util import tensor_util

accumulator = plugin_event_accumulator.EventAccumulator(
    sys.argv[1], tensor_size_guidance={}, size_guidance={plugin_event_accumulator.TENSORS: 0}
)
accumulator.Reload()


def value_of(plugin, event):
    array = tensor_util.make_ndarray(event.tensor_proto)
    if plugin == "scalars":
        return repr(float(array))
    if plugin == "images":
        return [array[0].decode(), array[1].decode(), array[2].hex()]
    if plugin == "text":
        return array[0].decode()
    return array.tolist()


found = {}
for tag, metadata in accumulator.AllSummaryMetadata().items():
    plugin = metadata.plugin_data.plugin_name
    if plugin != "hparams":
        events = accumulator.Tensors(tag)
        found[tag] = {"plugin": plugin, "values": [[e.step, value_of(plugin, e)] for e in events]}

contents = accumulator.PluginTagToContent("hparams") if "hparams" in accumulator._plugin_to_tag_to_content else {}
sessions = {}
if hparams.SESSION_START_INFO_TAG in contents:
    info = hparams.parse_session_start_info_plugin_data(contents[hparams.SESSION_START_INFO_TAG])
    sessions["hparams"] = {
        name: getattr(value, value.WhichOneof("kind")) for name, value in sorted(info.hparams.items())
    }
    sessions["startTime"] = info.start_time_secs
if hparams.SESSION_END_INFO_TAG in contents:
    info = hparams.parse_session_end_info_plugin_data(contents[hparams.SESSION_END_INFO_TAG])
    sessions["status"] = info.status
print(json.dumps({"tags": found, "session": sessions}))
