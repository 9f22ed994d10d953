import { pythonWith } from './python-environment.ts';

/** A Python with what TensorBoard's reader of event files needs, and no more of TensorBoard than that. */
export function tensorboardPython(): string {
  const packages = ['tensorboard==2.20.0', 'protobuf==6.31.1', 'numpy==2.2.6', 'absl-py==2.3.1'];
  return pythonWith('tensorboard', packages, ['--no-deps']);
}
