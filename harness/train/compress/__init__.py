"""From a float Keras model to a small .tflite."""
