#!/usr/bin/env bash
# Trains a model: ./run_train.sh --config train_configs/debug.toml [--section.key VALUE …]; --help says more.
# A wrapper for `python -m codetitan.launch`, which starts torchrun. PYTHON selects another interpreter.
exec "${PYTHON:-python}" -m codetitan.launch "$@"
