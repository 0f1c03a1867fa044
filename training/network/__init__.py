"""The network, the encoders it starts from, its ONNX graph, and its export."""
