"""Import of quantised networks from ONNX: QONNX, FINN's dialect, QCDQ and plain ONNX."""
