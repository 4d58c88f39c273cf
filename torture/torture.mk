# `make torture`: the tests marked slow, then twenty minutes on two cores; writes RELIABILITY.md. QUICK=1 a short one.
.PHONY: torture

torture: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow
	$(BIN)/python torture/run.py $(if $(QUICK),--kills=6 --signals=2 --examples=1000 --report=)
