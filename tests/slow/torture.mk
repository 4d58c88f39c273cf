.PHONY: torture

torture: $(VENV)/installed-dev ## the tests marked slow, then a quarter of an hour of kill -9; QUICK=1 a short one
	$(BIN)/python -m pytest -m slow
	$(BIN)/python tests/slow/torture.py $(if $(QUICK),--kills=6 --signals=2 --examples=1000 --names=32 --report=)
