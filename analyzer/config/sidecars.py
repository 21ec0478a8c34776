from __future__ import annotations
def is_sidecar(name): return name in ("hparams.yaml","hparams.yml","config.json","config.yaml","args.yaml","opt.yaml","training_args.bin","all_results.json","train_results.json","eval_results.json")
def facts_beside(paths, log_folders=()): return ()
def problems_beside(paths): return ()
