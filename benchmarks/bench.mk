.PHONY: bench speedrun
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

speedrun: $(VENV)/installed ## twenty runs of configs/speedrun.py to 99.0% and a submission, with DATA=digit-recognizer.zip: 5 minutes; LOG=runs.csv
	$(BIN)/python benchmarks/speedruns.py --data=$(DATA) $(if $(LOG),--log=$(LOG))
