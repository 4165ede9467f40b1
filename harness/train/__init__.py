"""Training: the only part of the harness that imports TensorFlow. It hands over .tflite files with model cards."""
