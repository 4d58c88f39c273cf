# Programs compiled for accelerators that are not here; nothing runs on them.
.PHONY: accelerators t4
ACCELERATORS := benchmarks/accelerators

# Some hours on two cores, about 2 GB of environments; a cut-off run goes on where it was.
# ONLY='--recipes=default --devices=t4,v5e-1' does a part, and leaves docs/scaling.md alone.
accelerators: $(VENV)/installed ## compile all recipes for GPUs and TPUs that are not here: hours
	$(BIN)/python $(ACCELERATORS)/compile_all.py --environments=$(VENV)-accel \
		$(if $(ONLY),$(ONLY),--page=docs/scaling.md)

# One program for one GPU, some 10 s.
t4: $(VENV)-accel/t4/installed ## compile one program for one GPU that is not here: seconds
	PYTHONPATH=$(dir $<) $(BIN)/python $(ACCELERATORS)/compile_one.py --recipe=configs/default.py \
		--device=t4 --programs=train_until

# The compiler alone, 182 MB, of the version of the jaxlib that is installed.
$(VENV)-accel/t4/installed: $(VENV)/installed
	rm -rf $(dir $@)
	version=$$($(BIN)/python -c 'import jaxlib; print(jaxlib.__version__)') && \
	$(BIN)/python -m pip install --quiet --no-deps --target=$(dir $@) \
		jax-cuda12-plugin==$$version jax-cuda12-pjrt==$$version
	@touch $@
