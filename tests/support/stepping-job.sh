# A training program in sh, for tests: STEPS steps, each with a metric line and a log line. Shows a secret it got.
metrics="$PLATFORM_METRICS_DIR/${TRAINYARD_RUN_ID}_metrics.jsonl"
step=0
while [ "$step" -lt "$STEPS" ]; do
  printf '{"step":%d,"loss":%d}\n' "$step" "$((1000 - step))" >> "$metrics"
  echo "step $step"
  step=$((step + 1))
  sleep 0.1
done
printf '{"steps":%d,"secret":%d}' "$step" "${#TOKEN}" > "$TRAINYARD_OUTPUTS"
echo "model of $step" > model.txt
