.PHONY: bench
BENCH := .venv-bench/bin/python
DATA ?= digit-recognizer.zip

bench: $(VENV)/installed .venv-bench/installed ## time it beside PyTorch and Keras with DATA=digit-recognizer.zip: 51 minutes on two cores; QUICK=1
	$(BIN)/python benchmarks/run.py --data=$(DATA) --peers=$(BENCH) $(if $(QUICK),--quick)

# The peers pin other versions of NumPy and protobuf than JAX, so they live apart.
.venv-bench/installed: benchmarks/peers.txt
	@echo "Installing PyTorch and TensorFlow into .venv-bench: several GB"
	$(PYTHON) -m venv .venv-bench
	$(BENCH) -m pip install -r benchmarks/peers.txt
	@touch $@
